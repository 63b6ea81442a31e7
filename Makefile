# make run    installs, migrates, fills a demo shop, serves it
# make test   installs, runs every test
# make check  linter, formatter, types
# make bench  what the desk costs, as ratios side by side
# make lighthouse  what Lighthouse says of the five pages that people use most
# make messages  collects the texts that people read, and brings every language's catalogue up to date
# make screenshots  the pictures of the documents, from a demo that it starts
# make fuzz   looks for inputs that a reader of strangers' bytes cannot take, a minute each (ARGS="600 csr" for more)
# make lock       requirements.lock: what a deployment installs, each file by its hash
# make licences   LICENCES.md: under which licence each of them comes
# make sbom       sbom.json: the same for machines (CycloneDX)
# make audit      asks PyPI whether any of them has a known weakness, and fails if so

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One more than two cores: the tests start databases, browsers and servers of their own, and often wait for them.
TEST_PROCESSES ?= 3

.PHONY: run test check messages format bench lighthouse screenshots fuzz lock licences sbom audit clean

run: $(VENV)/.console
	@$(BIN)/python -m webapp.serve --demo

test: $(VENV)/.tests
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(ARGS)

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

fuzz: $(VENV)/.tests
	@$(INSTALL) '.[fuzz]'
	@PYTHONPATH=tests nice $(BIN)/python tests/fuzz.py $(ARGS)

lock: $(VENV)/.supply
	@$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --output-file requirements.lock $(ARGS)

licences: $(VENV)/.supply
	@$(BIN)/pip-licenses --format=markdown --order=name --output-file=LICENCES.md \
		--packages $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' requirements.lock)

sbom: $(VENV)/.supply
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json

audit: $(VENV)/.supply
	@$(BIN)/pip-audit --requirement requirements.lock --require-hashes --disable-pip --progress-spinner off $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

# What is tried out and tested are the versions that a deployment installs. Without the hashes: pip would ask for one of
# the project itself.
$(VENV)/.versions: requirements.lock | $(VENV)/bin/python
	@sed -n 's/^\([A-Za-z0-9._-]*==.*\) \\$$/\1/p' requirements.lock > $@

PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL = $(PIP_INSTALL) --constraint $(VENV)/.versions --editable

$(VENV)/.console: pyproject.toml $(VENV)/.versions
	@echo "Installing (the first time takes a minute) …"
	@$(INSTALL) .
	@touch $@

$(VENV)/.tests: pyproject.toml $(VENV)/.versions
	@echo "Installing what the tests need (the first time takes a minute) …"
	@$(INSTALL) '.[test,check]'
	@touch $@ $(VENV)/.console

# Not held to the lock: it is made anew with these.
$(VENV)/.supply: pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the lists are made with …"
	@$(PIP_INSTALL) --editable '.[supply]'
	@touch $@

clean:
	rm -rf $(VENV) var
