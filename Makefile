# `make video` and `make test` do all the set-up by themselves.

PYTHON ?= python3
export PROMPT ?= a red ball rolls to the left on snow at sunset
BIN := .venv/bin
STAMP := .venv/.stamp
TYPED := .venv/typed

.DEFAULT_GOAL := help
.PHONY: help setup test browser fuzz check format video clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

setup: $(STAMP) ## a virtual environment in .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		echo "make: $(PYTHON) cannot make a virtual environment; install python3-venv, or name another with PYTHON=" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --retries 10 --timeout 60 --constraint constraints.txt --editable ".[dev]"
	@mkdir -p $(TYPED) && ln -sfn ../.. $(TYPED)/sora_nodes
	@touch $@

test: $(STAMP) ## the tests
	$(BIN)/python -m pytest tests

browser: $(STAMP) ## the nodes in a real browser, some minutes: make browser COMFYUI=/path/to/ComfyUI COMFYUI_PYTHON=/its/python
	@test -f "$(COMFYUI)/main.py" || { echo "make: COMFYUI names no ComfyUI; say make browser COMFYUI=/path/to/ComfyUI" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet playwright
	COMFYUI_PATH="$(COMFYUI)" $(BIN)/python -m pytest tests/test_comfy_browser.py

fuzz: $(STAMP) ## broken files of every kind, fifty thousand each (hours): make fuzz CASES=1000
	$(BIN)/python tests/fuzz_toys.py --cases $(or $(CASES),50000)

check: $(STAMP) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=$(TYPED) $(BIN)/mypy --package sora_nodes

format: $(STAMP) ## mend format and lint where that can be done by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

video: $(STAMP) ## a prompt becomes an mp4: make video PROMPT="a red ball rolls to the left on snow"
	$(BIN)/sora generate "$$PROMPT"

clean: ## away with everything that was made here, weights and outputs excepted
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
