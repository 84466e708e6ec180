# make run   the main job: a controller, a real Open vSwitch bridge and two endpoints that ping, until Ctrl-C
# make test  all tests but the long ones, in as many processes as JOBS says (3: tests often wait); up to 5 that fail are tried again alone
# make check format, lint, types, spelling, layers
# make soak  the long tests
# make bench the benchmark table
# make docs  write the pages made from the sources, build all documents into site/, and check what they say
# With PYTHON=pypy3, run, test, soak and bench use that interpreter, in a virtual environment of its own

PYTHON ?= python3
export PYTHON
export VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(subst /,-,$(patsubst /%,%,$(PYTHON))))
BIN := $(VENV)/bin
JOBS ?= 3

.PHONY: run test check format soak bench docs clean

run:
	@.ci/setup run
	@$(BIN)/vlcp-lab --prefix vlcprun up --foreground

test:
	@.ci/setup test
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal || { test $$? -eq 1 && $(BIN)/python -m pytest --again; }

check:
	@.ci/setup test
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . | tail -n 20; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_layers.py

format:
	@.ci/setup test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak:
	@.ci/setup test
	@$(BIN)/python -m pytest -m soak --timeout 7200

bench:
	@.ci/setup test
	@$(BIN)/python benchmarks/run.py

docs:
	@.ci/setup test
	@$(BIN)/python docs/generate_configuration.py
	@$(BIN)/python docs/generate_apis.py
	@$(BIN)/mkdocs build --quiet --strict
	@$(BIN)/python -m pytest tests/docs

clean:
	rm -rf .venv .venv-* build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
