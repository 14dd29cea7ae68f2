# make up      a cluster on this machine, with an example in it
# make test    every test this machine can run
# The rest: down, lint, format, loc, unit, e2e, fuzz, oracle, oracle-known, soak, attack, bench, dist, changelog, clean

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest

.PHONY: up down test unit e2e lint format loc fuzz oracle oracle-known soak attack bench dist changelog clean packages test-packages bench-packages

up: packages $(VENV)/ready
	@$(PYTHON) tools/first_steps.py

down:
	$(VENV)/bin/longboat down

# What needs no machine of its own runs on all cores; the rest, which is about time and packets too, after that: two files
# beside each other, each process with a cluster of its own.
test: test-packages $(VENV)/dev build/published
	@rm -f build/conformance.json
	$(PYTEST) tests --ignore tests/soak -m "not root and not containers" --numprocesses auto
	$(PYTEST) tests --ignore tests/soak -m "root or containers" --numprocesses 2 --dist loadfile --no-loadscope-reorder

unit: $(VENV)/dev
	$(PYTEST) tests/unit tests/suites

e2e: $(VENV)/dev
	$(PYTEST) tests/e2e tests/integration

lint: $(VENV)/dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) tools/check_circles.py
	@$(PYTHON) tools/check_file_length.py

format: $(VENV)/dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

loc: $(VENV)/dev
	@$(PYTHON) tools/check_file_length.py

# Ten minutes (LONGBOAT_FUZZ_MINUTES) of requests made up from our OpenAPI documents, as nobody, as one who may do all in a
# namespace, and as one who may do anything; then longer runs of the property tests that `make test` runs briefly.
fuzz: $(VENV)/attack
	$(PYTEST) tests/attack/long/test_schemas.py
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) tests/unit tests/suites tests/oracle/test_random_objects.py --timeout 3600

# What upstream's API server answered, all of it; and the lists of what is answered otherwise, anew (docs/oracle.md).
oracle: $(VENV)/dev
	PYTHONPATH=tests $(PYTHON) -m oracle play

oracle-known: $(VENV)/dev
	PYTHONPATH=tests $(PYTHON) -m oracle known

soak: $(VENV)/dev
	$(PYTEST) tests/soak

# Attacks that take minutes; those of seconds are in `make test`.
attack: test-packages $(VENV)/attack
	$(PYTEST) tests/attack/long --ignore tests/attack/long/test_schemas.py

bench: bench-packages $(VENV)/dev
	@for file in bench/*.py; do echo "== $$file"; $(PYTHON) $$file || exit 1; done

# Wheel and sdist, as they would be published.
dist: $(VENV)/dev
	rm -rf dist
	$(PYTHON) -m hatchling build
	$(PYTHON) -m twine check --strict dist/*

# What is not released yet; `tools/changelog.py --release VERSION` puts it into CHANGELOG.md.
changelog:
	@python3 tools/changelog.py

# Without root the packages are only named: `make up` then simulates nodes.
packages:
	@tools/packages.sh || true

test-packages bench-packages: %-packages:
	@tools/packages.sh $* || true

$(VENV)/ready: pyproject.toml hatch_build.py src/longboat/machinery/messages.py src/longboat/machinery/field_numbers.txt $(wildcard src/longboat/machinery/protos/*.proto)
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo " ✗ Longboat needs Python 3.11 or newer" >&2; exit 1; }
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: $(VENV)/ready
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# What others publish and tests run as it is.
build/published: $(VENV)/dev tests/published.py tests/integration/operators/client_node/package-lock.json
	PYTHONPATH=tests $(PYTHON) -m published
	@touch $@

$(VENV)/attack: $(VENV)/dev
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev,attack]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
