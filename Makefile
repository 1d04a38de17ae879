PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
RUNS := runs
WORKERS ?= 2
TESTED ?= -c constraints.txt
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet $(TESTED)
NOTEBOOKS := $(basename $(notdir $(wildcard notebooks/[0-9]*.ipynb)))

.PHONY: run test lab notebooks lint clean

run: $(READY)
	$(BIN)/nasbook run 00_start_here --out $(RUNS)/00_start_here

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lab: $(READY)
	$(BIN)/nasbook lab 00_start_here

notebooks: $(READY)
	for name in $(NOTEBOOKS); do $(BIN)/nasbook run $$name --store || exit 1; done

lint: $(READY)
	$(BIN)/ruff check nasbook tests data notebooks
	$(BIN)/ruff format --check nasbook tests data

clean:
	rm -rf .venv runs artefacts

# uv installs several times faster than pip; pip does it where there is no uv to be had, or where uv fails
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nasbook needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (PyTorch is large: a few minutes the first time)"
	@export PATH="$$PATH:$(abspath $(BIN))"; \
	{ command -v uv >/dev/null || $(PIP) uv; } && uv pip install --quiet --python $(BIN)/python $(TESTED) -e ".[test]" \
	|| { echo "uv did not install it: pip tries"; $(PIP) -e ".[test]"; }
	touch $(READY)
