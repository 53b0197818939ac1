# Every target creates what it needs: on a bare machine with Python 3.11+ and make, `make demo` and `make test` just work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench soak clean setup

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("aml-gitops needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) from requirements.lock (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## YAML to four private endpoints that answer, on the embedded Azure ML
	@echo "== 1. start the embedded Azure ML"
	@$(BIN)/aml-gitops -C manifests emulator start
	@echo "== 2. train the tiny example models (skipped when they are there)"
	@$(BIN)/python manifests/train.py
	@echo "== 3. validate manifests/ for every environment"
	@$(BIN)/aml-gitops -C manifests validate
	@echo "== 4. plan and apply environment local"
	@$(BIN)/aml-gitops -C manifests apply -e local --yes
	@echo "== 5. ask each endpoint its sample request"
	@$(BIN)/aml-gitops -C manifests invoke -e local
	@echo
	@echo "Next: edit a line below manifests/ and look:  $(BIN)/aml-gitops -C manifests plan -e local"
	@echo "      stop the emulator:                      $(BIN)/aml-gitops -C manifests emulator stop"

test: setup  ## the whole suite
	@$(BIN)/python -m pytest --numprocesses logical --dist loadfile

check: setup  ## lint, types, architecture
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy && $(BIN)/mypy benchmarks
	@$(BIN)/lint-imports

bench: setup  ## figures, as ratios; nothing is asserted
	@$(BIN)/python benchmarks/run.py

soak: setup  ## 2,000 passes of the loop on bad days: memory and file handles must stay flat
	@$(BIN)/python benchmarks/soak.py

clean:  ## stop the emulator and remove all that was made
	@-[ -x $(BIN)/aml-gitops ] && $(BIN)/aml-gitops -C manifests emulator stop
	@rm -rf $(VENV) .emulator manifests/models build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
