# Each target sets itself up: a virtual environment, a fast installer, the pinned packages, this package editable.
# A target that has run once does no set-up again until the pins change.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Extras to install beside the tests' own, such as EXTRAS=spark
EXTRAS ?=
comma  := ,
TEST_EXTRAS := test$(if $(EXTRAS),$(comma)$(EXTRAS))
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock

.PHONY: report test lab check clean
.DEFAULT_GOAL := report

report: $(VENV)/.ready ## run every notebook on the demo company and write the report
	$(BIN)/crm report $(ARGS)

test: $(VENV)/.ready-$(TEST_EXTRAS) ## unit tests, doctests, every notebook with small settings
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lab: $(VENV)/.ready ## open the notebooks
	$(BIN)/jupyter lab notebooks

check: $(VENV)/.ready-$(TEST_EXTRAS) ## linters, stripped notebooks, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb
	$(BIN)/lint-imports

clean: ## remove the virtual environment and the generated reports
	rm -rf $(VENV) reports/runs

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.ready: pyproject.toml requirements.lock | $(BIN)/uv
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.ready-$(TEST_EXTRAS): pyproject.toml requirements.lock | $(BIN)/uv
	@$(INSTALL) --editable ".[$(TEST_EXTRAS)]"
	@touch $@ $(VENV)/.ready
