# Everything runs in .venv, which the first target that needs it creates. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run chat test notebooks bench study lint format clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY)  ## Set up, train the embedded default (about 4 minutes), show what it says, and talk to it
	$(BIN)/python train.py experiment=first_run
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/yuhee chat; \
	else echo "To talk to it, on a terminal: $(BIN)/yuhee chat"; fi

chat: $(READY)  ## Talk to the newest finished run
	$(BIN)/yuhee chat

test: $(READY)  ## Set up and run every test
	$(BIN)/python -m pytest -n auto --dist worksteal

notebooks: $(READY)  ## Execute every notebook whole, in a folder that goes away (about 5 minutes)
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && cp notebooks/*.ipynb $$folder && begin=$$(date +%s) && for notebook in $$folder/*.ipynb; do \
		start=$$(date +%s); $(BIN)/jupyter execute --timeout=600 $$notebook || exit 1; \
		echo "$$(basename $$notebook): $$(($$(date +%s) - start)) s"; done && \
	echo "notebooks together: $$(($$(date +%s) - begin)) s (at most 360 on 2 quiet cores)"

bench: $(READY)  ## Measure training, replies and data beside their peers (about 25 minutes on a quiet machine)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

study: $(READY)  ## Train and evaluate every row of the results table (hours; goes on where it was cut off)
	$(BIN)/python -m benchmarks.study

lint: $(READY)  ## ruff (check and format), mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)  ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and every cache; outputs/ stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is asked only when the files it would read have changed
$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
