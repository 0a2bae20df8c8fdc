# `make run` and `make test` need Python 3.11 or newer and nothing else. README.md spells both out in plain pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One worker more than there are cores keeps them busy, since many tests wait; threads of numpy would only fight for
# them. A worker takes whole files, in their order: sorted by how many tests they hold, the slowest would come last. With
# fewer arenas malloc gives back what closed models leave: a worker needs half the memory.
WORKERS := $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 5 ? cores + 1 : 6)))
IN_PARALLEL := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: run test lint lock clean

run: $(VENV)/.installed assistant.yaml
	$(BIN)/assistant serve

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2 $(BIN)/pytest $(IN_PARALLEL)

assistant.yaml:
	cp assistant/assistant.example.yaml $@

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Switchyard needs Python 3.11 or newer: make run PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-test.txt
	touch $@

# Writes both requirements files anew from pyproject.toml: the newest versions that fit, with hashes.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --extra build pyproject.toml --output-file requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --extra build --extra test --constraint requirements.txt pyproject.toml \
		--output-file requirements-test.txt

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
