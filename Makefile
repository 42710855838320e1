# `make demo` and `make test` do everything, from a fresh clone on: see the README.
# Another Python: `make test PYTHON=python3.13` (after `make clean`, if .venv exists).

PYTHON ?= python3
VENV ?= .venv
# Where `make demo` listens: `make demo PORT=8001`. Some shells export a HOST of their own.
PORT ?= 8000
HOST = 127.0.0.1
LOWEST := .venv-lowest

# Checked code; a notebook is linted with the rest, by ruff.
CODE := $(wildcard langchain_streamkit tests benchmarks scripts)
# What meets LangChain, LangGraph, the OpenAI SDK, the prices and the servers. The rest does not
# depend on their versions; what looks for odd cases for long is left to the newest.
FRAMEWORK_TESTS := tests/scenarios tests/runs tests/sources tests/sinks tests/wire tests/serve \
	tests/testing tests/routes tests/views tests/guarantees tests/limits \
	tests/tokens/test_prompt.py tests/tokens/test_details.py tests/tokens/test_prices.py \
	$(addprefix --ignore ,$(wildcard tests/*/test_*_fuzz.py) tests/scenarios/test_random_graphs.py \
	tests/sources/test_assembler_properties.py tests/views/test_views_random.py \
	tests/routes/test_table.py tests/runs/test_idle_reader.py)
# What draws its examples at random, and draws more of them in `make chaos`.
RANDOM_TESTS := $(shell grep -rl "import examples" tests --include 'test_*.py')
# Twice as many at once as there are cores: half of the tests wait for servers, browsers and clocks.
WORKERS := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
PYTEST := -m pytest --numprocesses $(WORKERS) --dist worksteal
# What failed beside others gets one more try, alone: waits for servers, browsers and clocks are
# bounded, and two busy cores of a shared machine may keep one waiting longer. A defect fails again,
# and so does coverage that is missed: then there is nothing to try. (A hang ends its worker, whose
# coverage is lost, so that the second try cannot measure any.)
ALONE := -m pytest --last-failed --last-failed-no-failures none --numprocesses 0
PIP := -m pip install --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types pytest format schema bench chaos lowest clean python-found

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

demo: $(VENV)/.demo-installed ## serve the demo agent and its page on http://127.0.0.1:8000 (PORT=8001: there)
	@$(VENV)/bin/python -m langchain_streamkit.serve.demo --by-make --host $(HOST) --port $(PORT)

test: lint types pytest ## lint, types, tests and coverage

lint: $(VENV)/.dev-installed ## ruff, rules and format
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .

types: $(VENV)/.dev-installed ## mypy and pyright, strict
	$(VENV)/bin/python -m mypy $(CODE)
	$(VENV)/bin/python -m pyright --pythonpath $(VENV)/bin/python $(CODE)

pytest: $(VENV)/.dev-installed ## the tests, with branch coverage of the package
	$(VENV)/bin/python $(PYTEST) --cov --cov-report=term || \
		$(VENV)/bin/python $(ALONE) --no-cov

format: $(VENV)/.dev-installed ## let ruff repair and format what it can
	$(VENV)/bin/python -m ruff check --fix-only .
	$(VENV)/bin/python -m ruff format .

schema: $(VENV)/.dev-installed ## write the JSON Schema and TypeScript types of the events again
	$(VENV)/bin/python -m langchain_streamkit.schema

bench: $(VENV)/.dev-installed ## the table of what watching a run costs
	$(VENV)/bin/python -m benchmarks

chaos: $(VENV)/.dev-installed ## the faults a served run survives and random runs, in the long form, with figures
	STREAMKIT_CHAOS=long $(VENV)/bin/python -m pytest tests/faults --no-cov -s -q --timeout 1800
	STREAMKIT_CHAOS=long $(VENV)/bin/python $(PYTEST) $(RANDOM_TESTS) --no-cov --timeout 1800

# Old releases may use what newer Pythons and peers have since deprecated: not ours to repair.
OLD_MAY_WARN := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning
lowest: $(LOWEST)/.dev-installed ## the tests on the oldest versions that pyproject.toml allows
	$(LOWEST)/bin/python $(PYTEST) $(FRAMEWORK_TESTS) $(OLD_MAY_WARN) || \
		$(LOWEST)/bin/python $(ALONE) $(FRAMEWORK_TESTS) $(OLD_MAY_WARN)

clean: ## remove what the other targets made
	rm -rf .venv .venv-lowest .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis build dist
	find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

# Each stamp is newer than pyproject.toml exactly when its environment is up to date, so that a
# second `make` installs nothing. What `dev` installs is all that the demo needs.
$(VENV)/.demo-installed: pyproject.toml | python-found
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what the demo needs into $(VENV) (about a minute, once)"
	@$(VENV)/bin/python $(PIP) --editable ".[openai,serve,cost]"
	@touch $@

$(VENV)/.dev-installed: pyproject.toml scripts/npm.py scripts/openai_cli.py | python-found
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what the tests need into $(VENV) (one to two minutes, once)"
	@$(VENV)/bin/python $(PIP) --editable ".[dev]"
	@$(VENV)/bin/python -m scripts.npm
	@$(VENV)/bin/python -m scripts.openai_cli
	@touch $(VENV)/.demo-installed $@

$(LOWEST)/.dev-installed: pyproject.toml constraints/lowest.txt | python-found
	@$(PYTHON) -m venv --clear $(LOWEST)
	@echo "Installing the oldest allowed versions into $(LOWEST) (one to two minutes, once)"
	@$(LOWEST)/bin/python $(PIP) --constraint constraints/lowest.txt --editable ".[dev]"
	@touch $@

python-found:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "$(PYTHON) is missing. Install it with:"; \
		echo "    sudo apt-get install python3 python3-venv"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) -V), but Python 3.11 or newer is needed. Install one and name it:"; \
		echo "    sudo apt-get install python3.11 python3.11-venv"; \
		echo "    make $(MAKECMDGOALS) PYTHON=python3.11"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. Install what it lacks with:"; \
		echo "    sudo apt-get install $$(basename $(PYTHON))-venv"; \
		exit 1; } >&2
