# Everything a developer runs. `make` alone prints this list; the sentence after `##` is the help.
# Hand arguments on with ARGS, for example: make serve ARGS="--port 9000"

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

.PHONY: help
help: ## say what each target does
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

##@ Run it (sets up .venv when needed)

.PHONY: setup
setup: $(STAMP) ## make .venv with everything in it; the other targets do this by themselves

.PHONY: demo
demo: $(STAMP) ## hear a recording, pause it for 12 s held by KeepAlive, go on; about half a minute
	@$(BIN)/caesura demo $(ARGS)

.PHONY: serve
serve: $(STAMP) ## ws://127.0.0.1:8080/v1/listen, embedded engine, no key needed on loopback
	@$(BIN)/caesura serve $(ARGS)

.PHONY: doctor
doctor: $(STAMP) ## what works on this machine, what it weighs, what to do about the rest
	@$(BIN)/caesura doctor $(ARGS)

##@ Check it

.PHONY: toolchains
toolchains: ## Go, mono, Java, Node, a browser and PostgreSQL for the tests, from Debian's packages; as root
	@examples/toolchains.sh

.PHONY: test
test: $(STAMP) sdk-js ## all tests, the slow ones and the vendor's own SDKs included
	$(PY) -m pytest -ra $(ARGS)

.PHONY: check
check: fmt-check lint types arch fast ## what every change must pass; under a minute

.PHONY: fast
fast: $(STAMP) ## the tests without models and servers
	$(PY) -m pytest -q -m "not slow and not conformance" --hypothesis-profile=fast -n auto --dist worksteal $(ARGS)

.PHONY: conformance
conformance: $(STAMP) sdk-js ## only the vendor's Python and JavaScript SDKs against a real server
	$(PY) -m pytest -ra -m conformance $(ARGS)

.PHONY: adapters
adapters: $(ADAPTERS)/.synced ## the adapters for pipecat and LiveKit, in an environment of their own (600 MB)
	PYTHONPATH=src $(ADAPTERS)/bin/python -m pytest -ra tests/adapters $(ARGS)

.PHONY: fmt
fmt: $(STAMP) ## put the code into its one format, mend what lint can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: fmt-check
fmt-check: $(STAMP) ## is the code in its format?
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(STAMP) ## ruff
	$(BIN)/ruff check .

.PHONY: types
types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

.PHONY: arch
arch: $(STAMP) ## import-linter: who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: resolve
resolve: $(STAMP) ## are there wheels for every extra, platform and Python? asks the package registry
	$(PY) -m pytest -q -ra -m registry -n 4 tests/test_resolver.py $(ARGS)

.PHONY: cov
cov: $(STAMP) ## branch coverage: 90 % of the whole, 100 % of the pure part
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -m "not conformance and not registry" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='$(PURE)'

##@ Measure it (each prints a table and writes JSON to bench/results)

.PHONY: bench-accuracy
bench-accuracy: $(STAMP) ## word error rate of the live path against whole files
	$(PY) bench/accuracy.py $(ARGS)

.PHONY: bench-live
bench-live: $(STAMP) ## latency and CPU of N live streams
	$(PY) bench/live.py $(ARGS)

.PHONY: bench-tail
bench-tail: $(STAMP) ## how long the last words take after CloseStream
	$(PY) bench/tail.py $(ARGS)

.PHONY: bench-paused
bench-paused: $(STAMP) ## cost of thousands of sessions held by KeepAlive
	$(PY) bench/paused.py $(ARGS)

.PHONY: bench-chaos
bench-chaos: $(STAMP) ## a line that breaks every 5 to 40 s against one that does not; half an hour
	$(PY) bench/chaos.py $(ARGS)

.PHONY: bench-client
bench-client: $(STAMP) ## CPU of a live line against a bare socket, and memory over hours of audio
	$(PY) bench/client.py $(ARGS)

.PHONY: bench-recordings
bench-recordings: $(STAMP) ## how much faster than real time a long recording is heard, and what it takes
	$(PY) bench/recordings.py $(ARGS)

.PHONY: bench-speakers
bench-speakers: $(STAMP) ## words given to the right speaker; wants --speech with four readers or more
	$(PY) bench/speakers.py $(ARGS)

.PHONY: bench-bias
bench-bias: $(STAMP) ## names heard with and without terms, and what terms do harm to
	$(PY) bench/bias.py $(ARGS)

##@ Tidy up

.PHONY: clean
clean: ## remove everything that was built, .venv too
	rm -rf $(VENV) .tools .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	rm -rf dist bench/results tests/conformance/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- setting up ----

# Runs again only when what is to be installed has changed.
$(STAMP): uv.lock pyproject.toml
	@python=$$(for name in python3.11 python3.13 python3 python3.12 python3.14 python; do \
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
