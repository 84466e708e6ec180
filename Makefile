# make run   the main job: a controller, a real Open vSwitch bridge and two endpoints that ping, until Ctrl-C
# make test  all tests but the long ones, in as many processes as JOBS says (2); up to 3 that fail are tried again alone
# make check format, lint, types, spelling, layers
# make soak  the long tests
# make bench the benchmark table
# make docs  write the pages made from the sources, build all documents into site/, and check what they say

PYTHON := .venv/bin/python
RUFF := .venv/bin/ruff
JOBS ?= 2

.PHONY: run test check format soak bench docs clean

run:
	@.ci/setup run
	@.venv/bin/vlcp-lab --prefix vlcprun up --foreground

test:
	@.ci/setup test
	@$(PYTHON) -m pytest --numprocesses $(JOBS) --dist worksteal || { test $$? -eq 1 && $(PYTHON) -m pytest --again; }

check:
	@.ci/setup test
	@$(RUFF) format --check --quiet . || { $(RUFF) format --check . | tail -n 20; exit 1; }
	@$(RUFF) check --quiet .
	@.venv/bin/codespell
	@.venv/bin/mypy
	@$(PYTHON) -m pytest tests/test_layers.py

format:
	@.ci/setup test
	@$(RUFF) format .
	@$(RUFF) check --fix .

soak:
	@.ci/setup test
	@$(PYTHON) -m pytest -m soak --timeout 7200

bench:
	@.ci/setup test
	@$(PYTHON) benchmarks/run.py

docs:
	@.ci/setup test
	@$(PYTHON) docs/generate_configuration.py
	@$(PYTHON) docs/generate_apis.py
	@.venv/bin/mkdocs build --quiet --strict
	@$(PYTHON) -m pytest tests/docs

clean:
	rm -rf .venv build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
