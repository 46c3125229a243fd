#!/usr/bin/env bash
# Runs the client's tests against an installed wheel: the base install in a clean environment, without src/ on its path.
# Usage: tests/wheel.sh PYTHON WHEEL [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 wheel=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The test tools, in the versions of the environment whose interpreter was given.
tools=$("$python" -c 'from importlib.metadata import version
for name in ("hypothesis", "pytest", "pytest-timeout", "pytest-xdist"):
    print(f"{name}=={version(name)}")')
"$python" -m venv "$folder/venv"
# shellcheck disable=SC2086  # one argument for each tool
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel" $tools

unset PYTHONPATH
"$folder/venv/bin/python" -P -c 'import sys, caesura
assert caesura.__file__.startswith(sys.prefix), f"tests would import {caesura.__file__}"
print(f"caesura {caesura.__version__} from {caesura.__file__}")'

# What these tests use beside the client is not in the base install.
left_out=(
  --ignore=tests/client/test_chaos.py      # bench/chaos.py: the client against a real server, with real speech
  --ignore=tests/client/test_decode.py     # PyAV decodes
  --ignore=tests/client/test_incidents.py  # PyAV and numpy make audio; some talk to a real server
  --ignore=tests/client/test_recording.py  # PyAV makes recordings of every kind
  # A real server with the built-in engine.
  --deselect=tests/client/test_documented_examples.py::test_the_example_without_an_event_loop_loses_nothing_of_real_speech_on_a_real_server
)
"$folder/venv/bin/python" -m pytest -q -ra -p no:cacheprovider -n auto --dist loadfile "${left_out[@]}" "$@" tests/client tests/testing
