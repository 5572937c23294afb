# Everything here works on a machine with Python 3.11 or later and make; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install demo test check coverage servers js bench soak run clean
help:
	@echo "make demo      the whole story on this machine, nothing to configure; DEMO=--once ends after it"
	@echo "make test      the tests; TESTS=tests/core only those"
	@echo "make check     ruff, mypy, import-linter"
	@echo "make coverage  the tests of daemon/core and of what decides by it; each branch of daemon/core must be covered"
	@echo "make run       the service with config.toml, in the foreground"
	@echo "make bench     the benchmarks in their short form"
	@echo "make soak      a long run in this process; MINUTES=10"
	@echo "make servers   mail and calendar servers from Debian's packages, for more tests (needs root)"
	@echo "make js        ical.js for the tests that ask another program (needs Node and npm)"
	@echo "make clean     take away the environment and all caches"

install: $(VENV)/installed

# urllib3-future must not replace urllib3 (docs/decisions/0003): its own switch, and built from source so that it is obeyed.
# The stamps keep pip, and with it the network, out of every later call. The demonstration needs less than the tests.
PIP := URLLIB3_NO_OVERRIDE=1 $(BIN)/pip install -qq --disable-pip-version-check --no-binary urllib3-future -c constraints.txt

$(VENV)/demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 ...")'
	@echo "Installing into $(VENV); this takes about a minute, and only the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/installed: $(VENV)/demo
	@$(PIP) -e '.[dev]'
	@touch $@

demo: $(VENV)/demo
	$(BIN)/sitzungsplaner demo $(DEMO)

test: install
	$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal $(TESTS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: install
	$(BIN)/pytest -n logical --maxprocesses 4 -q --cov=daemon.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100 tests/core tests/planner tests/test_reader.py

servers:
	.ci/servers

js: tests/js/node_modules/.package-lock.json

tests/js/node_modules/.package-lock.json: tests/js/package-lock.json
	cd tests/js && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

bench: install
	$(BIN)/python -m benchmarks.compose
	$(BIN)/python -m benchmarks.queue --short
	$(BIN)/python -m benchmarks.mail --short
	$(BIN)/python -m benchmarks.reminders --short

soak: install
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),10)

run: install
	$(BIN)/sitzungsplaner --config config.toml run

clean:
	rm -rf $(VENV) tests/js/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
