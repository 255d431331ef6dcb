# make demo   train a predictor and a generator on ka2d-mini, sample, compare (10 minutes on 2 cores)
# make test   lint, types, layers, tests (13 minutes on 2 busy cores)
# make docs   the documentation site, in site/ (half a minute)
# All set everything up first, in .venv; all that is needed is Python >= 3.11.

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs format clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# The newest interpreter that starts and is at least 3.11 (a pyenv shim may exist and not start).
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

help:
	@sed -n 's/^# //p' Makefile | head -4

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "gensample needs Python >= 3.11; none was found on PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps are older than pyproject.toml whenever a dependency may have changed.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[md,io,hub,tensorboard,wandb,cluster,docs,dev]'
	@touch $@ $(VENV)/installed

demo: $(VENV)/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors: `strict` in mkdocs.yml, which --quiet would undo.
docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Two workers with one thread each: torch's own threads would only fight over the same cores.
test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo runs build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
