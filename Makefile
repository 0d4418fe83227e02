# Everything runs in .venv, which the first target that needs it creates. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run chat test lint format clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY)  ## Set up, train the embedded default (about 4 minutes), show what it says, and talk to it
	$(BIN)/python train.py experiment=first_run
	@if [ -t 0 ] && [ -t 1 ]; then $(BIN)/yuhee chat; \
	else echo "To talk to it, on a terminal: $(BIN)/yuhee chat"; fi

chat: $(READY)  ## Talk to the newest finished run
	$(BIN)/yuhee chat

test: $(READY)  ## Set up and run every test
	$(BIN)/python -m pytest -n auto --dist worksteal

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
