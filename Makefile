# From a clean clone to a trained network: `make train`. Every target first makes the environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help train test lint types check bench docs
help:
	@echo "make train  train both phases on the sample photos and show the result (about ten minutes on two cores)"
	@echo "make test   run all tests"
	@echo "make check  lint, types and tests: what CI runs"
	@echo "make bench  measure speed and memory against the textbook and other engines (about 15 minutes, on an idle machine)"
	@echo "make docs   build the pages and the API into site/"

train: $(VENV)/installed
	$(BIN)/python train.py experiment=quickstart

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

check: lint types test

bench: $(VENV)/installed-measure
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.engines
	$(BIN)/python -m benchmarks.folder
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.degradation
	$(BIN)/python -m benchmarks.data_loading

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/installed-measure: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[measure]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@
