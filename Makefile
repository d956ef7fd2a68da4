# `make help` lists the targets. Each sets itself up: a virtual environment in .venv, installed once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long reliability mutation lint bench-lightning pictures docs-tables bench \
	bench-overhead bench-scale bench-oracles bench-best-rates bench-deepobs bench-fit bench-tuning bench-further \
	bench-end-to-end bench-whole bench-groups bench-rescale test-lightning-matrix test-integrations test-matrix \
	docs package clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /' | sort

setup: $(STAMP)  ## make .venv and install lrfinder into it, with everything the other targets need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lrfinder needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): torch is large, this may take minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	@touch $(STAMP)

demo: $(STAMP)  ## find a learning rate and schedule on a real data set, train with them, draw the pictures
	$(BIN)/lrfinder demo

test: lint  ## lint, types and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q

test-long: $(STAMP)  ## the reliability tests at length: hundreds of generated trainings, a thousand searches; half an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q tests/reliability -m "long or not long" --hypothesis-profile=long -o timeout=3600

reliability: $(STAMP)  ## a fault at every call of every place, and the table of docs/reliability.md; ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/survey.py

mutation: $(STAMP)  ## flip signs, bounds and comparisons of the engine, and see whether the tests notice; an hour
	OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/mutation.py

lint: $(STAMP)  ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench-lightning: $(STAMP)  ## Lightning's own finder beside AutoLR on one module
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/lightning_side_by_side.py

# Examples whose pictures stand on pages of docs/; those of all others are in the gallery alone.
ON_PAGES := how_it_works reading_range_tests tuning decays_side_by_side why_the_rate_matters

pictures: $(STAMP)  ## draw the pictures of README, docs and the gallery anew, and the notebook, but for those of bench
	$(BIN)/lrfinder demo --folder docs
	$(BIN)/lrfinder schedules --plot docs/schedules.png
	for name in $(ON_PAGES); do MPLBACKEND=Agg OMP_NUM_THREADS=1 $(BIN)/python examples/$$name.py docs || exit 1; done
	for name in $(filter-out $(ON_PAGES),$(basename $(notdir $(wildcard examples/*.py)))); do \
		MPLBACKEND=Agg OMP_NUM_THREADS=1 $(BIN)/python examples/$$name.py docs/gallery || exit 1; done
	rm -rf docs/gallery/*/
	OMP_NUM_THREADS=1 $(BIN)/jupyter-execute --inplace examples/notebook.ipynb

# Sphinx beside the other packages of .venv, which it imports to read their docstrings.
DOCS_STAMP := $(VENV)/.docs

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

docs: $(DOCS_STAMP)  ## build the site into site/html: guide, examples, reference, reports; every link checked; half a minute
	$(BIN)/python docs/sphinx/build.py site

docs-tables: $(STAMP)  ## write the table of docs/calibration.md from the constants of the package
	$(BIN)/python tests/calibration_page.py

# The peers in an environment of their own, on top of the packages of .venv: torch is not installed again.
BENCH := .bench
BENCH_STAMP := $(BENCH)/.installed
MEASURE = OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR)" $(BENCH)/bin/python

$(BENCH_STAMP): $(STAMP) benchmarks/peers.txt
	BASE=$(BIN)/python ./benchmarks/environment.sh $(BENCH) -c constraints.txt -r benchmarks/peers.txt
	@touch $@

bench: $(BENCH_STAMP)  ## other finders on the wide suite, then the tables and pictures of docs/benchmarks.md; after bench-fit
	$(MEASURE) benchmarks/accuracy.py
	$(MEASURE) benchmarks/steadiness.py
	$(MEASURE) benchmarks/tables.py
	$(MEASURE) benchmarks/pictures.py

bench-overhead: $(BENCH_STAMP)  ## what a search and the peers cost beside the same steps without: an hour and a half, resumable
	$(MEASURE) benchmarks/overhead.py

bench-scale: $(BENCH_STAMP)  ## memory, disk and seconds of a search up to 100M parameters, beside the peers: half an hour
	$(MEASURE) benchmarks/scale.py

bench-oracles: $(BENCH_STAMP)  ## make what is missing of the best learning rates that bench compares with: hours, resumable
	$(MEASURE) benchmarks/oracles.py

bench-best-rates: $(BENCH_STAMP)  ## the same for the wide suite of benchmarks/suite: hours, resumable
	$(MEASURE) benchmarks/best_rates.py

bench-deepobs: $(BENCH_STAMP)  ## find_lr and tune_lr on four problems of DeepOBS, scored by its published trainings
	$(MEASURE) benchmarks/deepobs.py

bench-fit: $(BENCH_STAMP)  ## find_lr and tune_lr on the wide suite, and which constants it chooses, with and without each family
	$(MEASURE) benchmarks/fit.py

bench-groups: $(BENCH_STAMP)  ## whole trainings with tuned ratios between groups beside the joint peak: an hour, resumable
	$(MEASURE) benchmarks/groups.py

bench-further: $(BENCH_STAMP)  ## tune_lr beyond the suite: with Adagrad, and on longer trainings; a quarter of an hour
	$(MEASURE) benchmarks/further.py

bench-tuning: $(BENCH_STAMP)  ## tune_lr on the 34 trainings of the earlier suite, at its default budget and at others
	$(MEASURE) benchmarks/tuning.py

bench-whole: $(BENCH_STAMP)  ## a transformer and a ResNet trained with find_lr, as usual, and with Lightning's finder: resumable
	$(MEASURE) benchmarks/whole_trainings.py

bench-rescale: $(BENCH_STAMP)  ## what moving a rate to another batch, length or size costs: an hour, resumable
	$(MEASURE) benchmarks/rescale.py

bench-end-to-end: $(BENCH_STAMP)  ## whole trainings, the search charged, beside LR-free optimizers and defaults: an hour, resumable
	$(MEASURE) benchmarks/end_to_end.py
	$(MEASURE) benchmarks/endings.py

# Each version in an environment of its own, on top of the packages of .venv: torch is not installed again.
LIGHTNINGS ?= pytorch-lightning==2.5.6 pytorch-lightning==2.6.6 lightning==2.6.6

test-lightning-matrix: $(STAMP)  ## the callbacks' tests under the oldest supported, a middle and the newest Lightning
	for wanted in $(LIGHTNINGS); do BASE=$(BIN)/python ./benchmarks/lightning_matrix.sh $$wanted || exit 1; done

# The floors of pyproject.toml, and the newest of everything, each with torch of its own: some gigabytes.
OLDEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= python3.13

test-matrix:  ## the tests with the oldest packages that pyproject.toml states, and with the newest; half an hour
	./tests/versions/matrix.sh oldest $(OLDEST_PYTHON)
	./tests/versions/matrix.sh newest $(NEWEST_PYTHON)

# Lists of packages that are too heavy for `make test`, or do not go together, each in an environment of its own.
INTEGRATIONS ?= newest oldest forecasting neuralprophet

test-integrations: $(STAMP)  ## the integrations beside trl, sentence-transformers, Ray, W&B, MLflow, Darts and others; ten minutes
	for list in $(INTEGRATIONS); do BASE=$(BIN)/python ./tests/integrations/matrix.sh $$list || exit 1; done

# What checks a release, away from what it is developed with.
PACKAGE := .package
CHECKS := build check-jsonschema hatchling sp-repo-review[cli] twine validate-pyproject[all] zizmor
SCHEMA = $(PACKAGE)/bin/check-jsonschema --builtin-schema vendor

package:  ## build the wheel and the sdist into dist/, and check them, pyproject.toml and .github; a minute
	test -x $(PACKAGE)/bin/python || $(PYTHON) -m venv $(PACKAGE)
	$(PACKAGE)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(CHECKS)
	$(PACKAGE)/bin/validate-pyproject pyproject.toml
	$(PACKAGE)/bin/sp-repo-review --show err .
	$(PACKAGE)/bin/zizmor --offline --quiet .github
	$(SCHEMA).github-workflows .github/workflows/*.yml
	$(SCHEMA).dependabot .github/dependabot.yml
	$(SCHEMA).github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA).citation-file-format CITATION.cff
	rm -rf dist
	$(PACKAGE)/bin/python -m build --no-isolation
	$(PACKAGE)/bin/twine check --strict dist/*

clean:  ## remove the virtual environment and what the targets wrote
	rm -rf $(VENV) $(PACKAGE) .bench .matrix site lrfinder-demo .pytest_cache .mypy_cache .ruff_cache
