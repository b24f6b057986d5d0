# Everything a bare machine needs is Python 3.10-3.13 and make.
#   make run    set up, run the course on the demo shop, show the results
#   make check  set up, run lint and the tests that train nothing, in two minutes
#   make test   set up, run the tests (make nightly: those too that take longest)
#   make lab    set up, open the lessons in JupyterLab
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
ON_TWO_CORES := -n 2 --dist loadfile
LESSONS := tests/test_notebooks.py tests/test_own_catalogues.py

# Bytecode halves the start of every kernel; some machines switch it off.
unexport PYTHONDONTWRITEBYTECODE
# A Python path or a Jupyter set-up of the machine must not leak into ours.
unexport PYTHONPATH
unexport PYTHONHOME
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: run check test nightly lint lab pictures lock clean

run: $(READY)
	$(BIN)/mmtutorial run

# What to run before each commit: no training, no notebook, no server.
check: $(READY) lint
	$(BIN)/python -m pytest $(ON_TWO_CORES) -m "not slow and not nightly"

# The tests that run the lessons run two of them at a time themselves.
test: $(READY) lint
	$(BIN)/python -m pytest $(ON_TWO_CORES) $(LESSONS:%=--ignore=%)
	$(BIN)/python -m pytest $(LESSONS)

# All tests, those too that `make test` leaves out for their time.
nightly: $(READY) lint
	$(BIN)/python -m pytest -m "nightly or not nightly"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

lab: $(READY)
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

# The environment is filled first and marked ready last: a set-up that was interrupted has no
# mark, and the next call starts it again from an empty folder. uv resumes from its own cache.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "mmtutorial needs Python 3.10 to 3.13, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
		  "name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@rm -f $(READY)
	$(PYTHON) -m venv --clear $(VENV) || \
		{ rm -rf $(VENV); echo "could not make $(VENV); on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(READY)

# The pictures of README.md, made anew; that of the shop page needs Chromium.
pictures: $(READY)
	$(BIN)/python book/pictures.py

# Resolve the versions anew, for every Python and platform at once, and write them down.
lock: $(READY)
	$(BIN)/uv pip compile --universal --upgrade --python-version 3.10 --extra test --quiet \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		--no-emit-package mmtutorial pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) results data/cache
