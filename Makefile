# Every target does its own set-up. The README gives the same steps without make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NOTEBOOKS := $(wildcard book/*.ipynb)

.DEFAULT_GOAL := help
.PHONY: help book test lint lab passport record preview bench address model machine clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

book: model machine ## build the website, every chapter executed on this machine
	$(BIN)/python tools/build_book.py

test: model machine ## run the unit tests, every notebook, and the site in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=240 tests book

lint: $(INSTALLED) ## check style, types, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --keep-id --verify $(NOTEBOOKS)

lab: model machine ## open the chapters in JupyterLab
	$(BIN)/jupyter lab book

passport: $(INSTALLED) ## measure this machine again
	$(BIN)/lessons passport

record: $(INSTALLED) ## record every experiment on this machine, to send in (see CONTRIBUTING.md)
	$(BIN)/lessons record

preview: ## serve the built site on http://localhost:8000
	$(PYTHON) -m http.server --bind 127.0.0.1 --directory _build/html 8000

bench: model ## compare our kernels with their peers (needs gcc and the extra "peers")
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[peers]'
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

address: $(INSTALLED) ## write the repository's address from pyproject.toml into the notebooks' first cells
	$(BIN)/python tools/set_address.py

model: $(INSTALLED) ## install the language model and check its hash
	$(BIN)/lessons get-model

machine: $(INSTALLED) ## measure this machine, unless machine.json is of it already
	$(BIN)/lessons passport --if-needed

clean: ## remove the built site; the environment and machine.json stay
	rm -rf _build

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[book,test,lint]'
	touch $@
