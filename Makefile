# Everything a developer runs. `make` alone prints this list; the sentence after `##` is the help.
# Pass arguments with ARGS, for example: make serve ARGS="--port 9000"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
UV_VERSION := 0.13.9
STAMP := $(VENV)/.synced
ADAPTERS := .tools/adapters-venv
NODE_STAMP := tests/conformance/node_modules/.installed
PURE := src/caesura/protocol/*,src/caesura/words.py,src/caesura/events.py,src/caesura/errors.py,src/caesura/timeline.py
ARGS ?=
# Hypothesis: fast tries few examples, dev and ci try more, ci always the same ones (tests/conftest.py).
PROFILE ?= fast
# COVERAGE=1: tests run under coverage, and cov-report compares the result with the limits.
COVERAGE ?=
PYTEST := $(if $(COVERAGE),$(BIN)/coverage run -m pytest,$(PY) -m pytest)
FRESH := $(if $(COVERAGE),cov-erase)
# With ARGS a group may contain none of the named tests (exit status 5).
NONE_IS_FINE := $(if $(ARGS),|| [ $$? -eq 5 ])
# The interpreter of .venv; by default the first of the usual names that is new enough.
PYTHON ?=

# Without cached bytecode pytest rewrites every test file in every process (collecting takes 30 s instead of 10 s), and each
# server that a test starts compiles all of src/ (1 s).
export PYTHONDONTWRITEBYTECODE :=

# `make check test` runs each group of tests once, in this order.
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

##@ Run it (sets up .venv when needed)

.PHONY: setup
setup: $(STAMP) ## create .venv with all dependencies; the other targets do it when needed

.PHONY: demo
demo: $(STAMP) ## transcribe a recording with a pause of 12 s held by KeepAlive; half a minute
	@$(BIN)/caesura demo $(ARGS)

.PHONY: serve
serve: $(STAMP) ## run a server on ws://127.0.0.1:8080/v1/listen; needs no key on loopback
	@$(BIN)/caesura serve $(ARGS)

.PHONY: doctor
doctor: $(STAMP) ## show what works on this machine, what it takes, and how to get the rest
	@$(BIN)/caesura doctor $(ARGS)

##@ Check it

.PHONY: toolchains
toolchains: ## install Go, mono, Java, Node, a browser and PostgreSQL for the tests (Debian, as root)
	@examples/toolchains.sh

.PHONY: check
check: fmt-check lint types fast ## format, lint, types, fast tests with the import rules: for every change; about a minute

.PHONY: test
test: PROFILE := $(if $(filter file,$(origin PROFILE)),$(if $(CI),ci,dev),$(PROFILE))
test: fast slow serial ## all tests, on all cores; with the vendor's SDKs and the examples

.PHONY: fast
fast: $(STAMP) $(FRESH) ## tests without models and servers
	$(PYTEST) -q -m "not slow and not conformance" --hypothesis-profile=$(PROFILE) -n auto --dist worksteal $(ARGS) $(NONE_IS_FINE)

# A file stays with one process, and with it the servers and models that its tests share.
.PHONY: slow
slow: $(STAMP) $(FRESH) sdk-js ## tests with models and servers, side by side
	$(PYTEST) -q -ra -m "(slow or conformance) and not serial and not registry" -n auto --dist loadfile --no-loadscope-reorder $(ARGS) $(NONE_IS_FINE)

.PHONY: serial
serial: $(STAMP) $(FRESH) ## tests that measure time or load, one by one
	$(PYTEST) -q -ra -m "serial and not registry" $(ARGS) $(NONE_IS_FINE)

.PHONY: conformance
conformance: $(STAMP) sdk-js ## the vendor's Python and JavaScript SDKs against a real server
	$(PY) -m pytest -ra -m conformance $(ARGS)

.PHONY: explore
explore: $(STAMP) ## property tests with random seeds until one fails; MINUTES=n, SEED=n to repeat
	@$(PY) -m tests.explore $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: wheel
wheel: $(STAMP) ## build the wheel into dist/
	rm -rf dist
	$(PY) -m hatchling build -t wheel

.PHONY: wheel-test
wheel-test: wheel ## the client's tests against the installed wheel, base install, in a clean environment
	tests/wheel.sh $(PY) dist/*.whl $(ARGS)

.PHONY: adapters
adapters: $(ADAPTERS)/.synced ## tests of the adapters for pipecat and LiveKit, in their own environment (600 MB)
	PYTHONPATH=src $(ADAPTERS)/bin/python -m pytest -ra tests/adapters $(ARGS)

.PHONY: fmt
fmt: $(STAMP) ## format the code and apply the fixes that lint knows
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: fmt-check
fmt-check: $(STAMP) ## check the format
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(STAMP) ## check with ruff
	$(BIN)/ruff check .

.PHONY: types
types: $(STAMP) ## check the types with mypy
	$(BIN)/mypy

.PHONY: arch
arch: $(STAMP) ## check the import rules alone; a fast test does it too
	$(BIN)/lint-imports --no-logo

.PHONY: resolve
resolve: $(STAMP) ## check that every extra has wheels for every platform and Python; asks the package registry
	$(PY) -m pytest -q -ra -m registry -n 4 tests/test_resolver.py $(ARGS)

.PHONY: cov
cov: ## all tests with branch coverage: 90 % of the whole, 100 % of the pure part
	$(MAKE) --no-print-directory test cov-report COVERAGE=1

.PHONY: cov-erase
cov-erase: $(STAMP)
	$(BIN)/coverage erase

.PHONY: cov-report
cov-report: $(STAMP)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='$(PURE)'

##@ Measure it (each prints a table and writes JSON to bench/results)

.PHONY: bench-hearing
bench-hearing: $(STAMP) ## word errors by set and condition: live, whole files, engine alone; latency, CPU
	$(PY) bench/hearing.py $(ARGS)

.PHONY: bench-live
bench-live: $(STAMP) ## latency and CPU of N live streams
	$(PY) bench/live.py $(ARGS)

.PHONY: bench-capacity
bench-capacity: $(STAMP) ## finals when more streams are offered than a server says it can hold; ten minutes
	$(PY) bench/capacity.py $(ARGS)

.PHONY: bench-tail
bench-tail: $(STAMP) ## latency of the last words after CloseStream
	$(PY) bench/tail.py $(ARGS)

.PHONY: bench-places
bench-places: $(STAMP) ## how long a request of a project with a limit waits for its place; a minute
	$(PY) bench/places.py $(ARGS)

.PHONY: bench-paused
bench-paused: $(STAMP) ## memory and CPU of thousands of sessions held by KeepAlive
	$(PY) bench/paused.py $(ARGS)

.PHONY: bench-chaos
bench-chaos: $(STAMP) ## a line disconnected every 5 to 40 s against one that is not; half an hour
	$(PY) bench/chaos.py $(ARGS)

.PHONY: bench-client
bench-client: $(STAMP) ## CPU of a live line against a bare socket, and memory over hours
	$(PY) bench/client.py $(ARGS)

.PHONY: bench-recordings
bench-recordings: $(STAMP) ## real-time factor, CPU and memory of a long recording
	$(PY) bench/recordings.py $(ARGS)

.PHONY: bench-speakers
bench-speakers: $(STAMP) ## diarization: errors by time and word, speaker_confidence; --speech with four readers, --conditions
	$(PY) bench/speakers.py $(ARGS)

.PHONY: bench-bias
bench-bias: $(STAMP) ## names recognized with and without keyterms, and words that keyterms spoil
	$(PY) bench/bias.py $(ARGS)

##@ Tidy up

.PHONY: clean
clean: ## remove everything that was built, .venv included
	rm -rf $(VENV) .tools .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	rm -rf dist bench/results tests/conformance/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- setting up ----

# Runs again only when the dependencies or the version have changed.
$(STAMP): uv.lock pyproject.toml src/caesura/__init__.py
	@python=$$(for name in $(PYTHON) python3.11 python3.13 python3 python3.12 python3.14 python; do \
	    if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then command -v "$$name"; break; fi; done); \
	if [ -z "$$python" ]; then \
	  echo "caesura needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true). Install one (Debian, Ubuntu: apt install python3.11) and run make again." >&2; \
	  exit 1; \
	fi; \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ] || ! "$$uv" --version >/dev/null 2>&1; then \
	  uv=.tools/bin/uv; \
	  if ! "$$uv" --version 2>/dev/null | grep -qF '$(UV_VERSION)'; then \
	    echo "Fetching uv $(UV_VERSION) into .tools"; \
	    if ! "$$python" -m venv --clear .tools; then \
	      echo "$$python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv; then run make again." >&2; \
	      exit 1; \
	    fi; \
	    .tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv==$(UV_VERSION)'; \
	  fi; \
	fi; \
	echo "Installing into $(VENV) with $$($$python --version)"; \
	UV_PROJECT_ENVIRONMENT=$(VENV) "$$uv" sync --quiet --frozen --all-extras --python "$$python"
	@touch $@

# pipecat and LiveKit want other versions of what the server has, so they are not in its environment.
$(ADAPTERS)/.synced: tests/adapters/requirements.txt $(STAMP)
	@echo "Installing pipecat and LiveKit into $(ADAPTERS)"
	@$(PY) -m venv --clear $(ADAPTERS)
	@$(ADAPTERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The JavaScript SDK needs node and npm; without them its tests are skipped and say so.
.PHONY: sdk-js
sdk-js:
	@if [ ! -f tests/conformance/package-lock.json ]; then exit 0; \
	elif command -v node >/dev/null && command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE_STAMP); \
	else echo "node and npm were not found: the JavaScript SDK's conformance tests will be skipped."; fi

$(NODE_STAMP): tests/conformance/package-lock.json
	cd tests/conformance && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
