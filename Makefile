# `make help` lists everything. Python 3.11 or newer; PYTHON=python3.12 chooses another.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
PYTHON ?= python3
ARGS ?=
# Tests wait more than they compute, so three run at once on two cores; JOBS=0 runs them in one process.
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/pip --disable-pip-version-check install --quiet
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-annotate --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options --allow-unsafe

.PHONY: help venv venv-dev demo test test-needs test-long check format messages screenshots bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# One environment serves both; what was installed last, and from which lock, is told by its stamp.
$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tools/install-venv.sh
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.run

venv: $(VENV)/.run ## the environment that runs the vault
venv-dev: $(VENV)/.dev ## the environment that tests and checks it

demo: $(VENV)/.run ## the vault with a database of its own and example people (ARGS="--data DIR …")
	$(BIN)/vault demo $(ARGS)

test-needs:
	tools/install-test-needs.sh
	$(MAKE) --no-print-directory $(VENV)/.dev
	$(MAKE) --no-print-directory tests/node/node_modules/.done

# Other people's software that the tests use; the lock holds digests and no addresses. Node.js itself comes with the
# environment, since Debian 12's is too old.
tests/node/node_modules/.done: tests/node/package-lock.json tests/node/package.json
	$(BIN)/npm --prefix tests/node ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

test: test-needs ## everything that a change must pass, from a fresh clone on Debian 12
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore=tests/faults --ignore=tests/browser $(ARGS)
	$(BIN)/pytest -n 2 --dist loadfile tests/browser $(ARGS) # apart: its driver keeps an event loop in its process
	$(BIN)/pytest -n 0 tests/faults $(ARGS) # these count seconds, and have the machine to themselves

test-long: test-needs ## the tests that take minutes
	$(BIN)/pytest -m long --timeout=1800 --ignore=tests/browser $(ARGS)
	$(BIN)/pytest -m long --timeout=1800 tests/browser $(ARGS)

check: $(VENV)/.dev ## format, lints, types, import direction; no tests, under half a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/python tools/lints/run.py src

format: $(VENV)/.dev ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: $(VENV)/.dev ## bring the pages' catalogues up to date with their texts
	$(BIN)/python tools/messages.py

screenshots: $(VENV)/.dev ## a picture of every page in every state at both widths, into build/screenshots
	$(BIN)/python -m tools.pictures $(ARGS)

bench: test-needs ## measure everything that docs/howto/benchmark.md tells; minutes (ARGS="--quick")
	$(BIN)/python -m benchmarks.run $(ARGS)

lock: $(VENV)/.dev ## make both requirements files anew from pyproject.toml
	$(LOCK) --upgrade --extra=build --extra=demo --extra=dev --output-file=requirements-dev.txt pyproject.toml
	$(LOCK) --constraint=requirements-dev.txt --extra=build --extra=demo --output-file=requirements.txt pyproject.toml
	! grep -n '://' requirements.txt requirements-dev.txt

clean: ## remove the environment and all that was made
	rm -rf $(VENV) tests/node/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
