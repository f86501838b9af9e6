# Every target does its own set-up. The README gives the same steps without make.

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
NOTEBOOKS := $(wildcard book/*.ipynb)

# Images of containers like to set it, and then each of hundreds of processes compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help book test robustness lint lab passport record gpu-day preview bench address pins environment model machine clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: model machine ## build the website from the chapters, executed on this machine where they have changed
	$(BIN)/python tools/build_book.py

test: book ## run every notebook that has changed, the unit tests, and the site in a browser
	$(BIN)/python -m pytest -n 3 --dist loadfile --ignore tests/robustness tests

robustness: model ## the passport and every experiment on the least machine: one CPU, little memory, no network
	$(BIN)/python -m pytest tests/robustness

lint: environment ## check style, types, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --keep-id --verify $(NOTEBOOKS)

lab: model machine ## open copies of the chapters in JupyterLab, yours to change
	$(BIN)/python tools/lab.py

passport: environment ## measure this machine again
	$(BIN)/lessons passport

record: environment ## record every experiment on this machine, to send in (see CONTRIBUTING.md)
	$(BIN)/lessons record

# Nothing is installed: time on a rented machine is short, and often it has no network.
# MINUTES=8 is how long it may take, ARCHIVE=path where the one file to bring home goes; REHEARSE=1 needs no card.
gpu-day: ## all that is wanted of a bare GPU machine, in minutes (see CONTRIBUTING.md)
	PYTHONPATH=src $(PYTHON) tools/gpu_day.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ARCHIVE),--archive $(ARCHIVE)) $(if $(REHEARSE),--rehearse)

preview: ## serve the built site on http://localhost:8000
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/html 8000

bench: model ## compare our kernels with their peers (needs gcc and the extra "peers")
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[peers]'
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

address: environment ## write the repository's address from pyproject.toml into the notebooks' first cells
	$(BIN)/python tools/set_address.py

pins: environment ## write constraints.txt anew, for every platform and Python
	$(BIN)/python tools/pin.py

model: environment ## install the language model and check its hash
	$(BIN)/lessons get-model

machine: environment ## measure this machine, unless machine.json is of it already
	$(BIN)/lessons passport --if-needed

clean: ## remove what was built and run; the environment, machine.json and your guesses stay
	rm -rf _build/html _build/next _build/executed _build/kept _build/site.key _build/executions.log _build/ledger/*.json

# A Python that the caller named is insisted on; whichever python3 is first on the path today is not.
environment: ## make .venv with all that the book needs (TORCH_INDEX=address: take torch from there)
	@command -v $(PYTHON) >/dev/null || { echo "set-up: there is no $(PYTHON) here; install Python 3.11 or newer, or name yours: make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) tools/set_up.py $(if $(filter-out file default undefined,$(origin PYTHON)),--exact) $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))
