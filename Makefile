# make run    installs, migrates, fills a demo shop, serves it
# make test   installs, runs every test
# make check  linter, formatter, types
# make bench  what the desk costs, as ratios side by side
# make lighthouse  what Lighthouse says of the five pages that people use most
# make messages  collects the texts that people read, and brings every language's catalogue up to date
# make screenshots  the pictures of the documents, from a demo that it starts

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two processes by default: the tests start databases, browsers and servers of their own.
TEST_PROCESSES ?= 2

.PHONY: run test check messages format bench lighthouse screenshots clean

run: $(VENV)/.console
	@$(BIN)/python -m webapp.serve --demo

test: $(VENV)/.tests
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) $(ARGS)

check: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tests
	@PYTHONPATH=tests $(BIN)/python tests/bench.py

lighthouse: $(VENV)/.tests
	@$(BIN)/python tests/lighthouse.py $(ARGS)

messages: $(VENV)/.console
	@$(BIN)/python -m webapp.locales.collect $(LANGUAGES)

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(VENV)/.tests
	@$(BIN)/python tests/screenshots.py $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.console: pyproject.toml | $(VENV)/bin/python
	@echo "Installing (the first time takes a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tests: pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the tests need (the first time takes a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@ $(VENV)/.console

clean:
	rm -rf $(VENV) var
