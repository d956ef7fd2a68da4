# `make help` lists the targets. Each sets itself up: a virtual environment in .venv, installed once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench bench-oracles bench-overhead clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /' | sort

setup: $(STAMP)  ## make .venv and install lrfinder into it, with everything the other targets need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lrfinder needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	@touch $(STAMP)

demo: $(STAMP)  ## find a learning rate and schedule on a real data set, train with them, draw the pictures
	$(BIN)/lrfinder demo

test: lint  ## lint, types and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q

lint: $(STAMP)  ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/.peers: $(STAMP) benchmarks/peers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/peers.txt
	@touch $@

bench: $(VENV)/.peers  ## how far the suggestions of find_lr and of every peer are from the best rate: tables and pictures
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/accuracy.py
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/tables.py
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/pictures.py

bench-oracles: $(VENV)/.peers  ## the best rates themselves: whole trainings over a grid, for hours; takes up where it was stopped
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/oracles.py

bench-overhead: $(STAMP)  ## what find_lr costs beside the same optimizer steps without it
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/overhead.py

clean:  ## remove the virtual environment and what the targets wrote
	rm -rf $(VENV) lrfinder-demo .pytest_cache .mypy_cache .ruff_cache
