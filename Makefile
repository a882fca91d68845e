# Everything sets itself up in .venv: a fresh machine needs Python 3.11 or later, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help setup test unit lint types format demo lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Install everything into .venv, from the hashed lock file

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; say PYTHON=/path/to/it"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

test: setup lint types ## Run the whole suite: lint, types, import contracts, all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

unit: setup ## Run the tests that start no server
	$(BIN)/python -m pytest -n $(WORKERS) -m "not sandbox and not stories"

lint: setup ## Check style and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## Check types, strictly
	$(BIN)/mypy

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: setup ## Run the main job in the sandbox, then stay up (PLAY=once ends after the two verdicts)
	$(BIN)/python -m sandbox demo $(if $(PLAY),--play $(PLAY))

lock: ## Write the hashed lock files anew (needs uv on the PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean: ## Remove what make made
	rm -rf $(VENV) .sandbox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
