# The two commands of the README. A second call reuses the environment.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.ready

.PHONY: run test quick lint docs

run: $(READY)
	$(VENV)/bin/ean-search run --space resnet50_shared

test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# What answers in under 90 seconds on two cores: the tests that are not marked as slow.
quick: $(READY)
	$(VENV)/bin/python -m pytest -m 'not slow' --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The site, in docs/_build. Warnings are errors; pages about the code are written from it each time.
docs: $(READY)
	$(VENV)/bin/python -m pip install --editable '.[docs]'
	$(VENV)/bin/python -m sphinx -W --keep-going -b html docs docs/_build

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.x")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --editable '.[test]'
	touch $@
