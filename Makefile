.DEFAULT_GOAL := help
.PHONY: help install dev engine frontend demo run test check peers fix bench lock docs clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
CASES ?= 300
STRESS ?= 30
EXPLAIN ?= 10
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(BIN)/python -m pip install -qq --require-hashes

help:      ## list these commands
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/'

demo:      ## install everything, audit a real model on real images, serve on http://localhost:8000
demo: install
	@$(MAKE) --no-print-directory engine || echo "The demonstration goes on without torch: networks are black boxes then."
	@$(BIN)/python -m demo.serve --cases $(CASES) --stress-cases $(STRESS) --explain-cases $(EXPLAIN) --port $(PORT) $(if $(ONCE),--once)

test:      ## install everything and run all tests; `make test k=calibration` for some
test: install dev engine  # one thread for each of two processes: more would wait for one another
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(if $(k),-k "$(k)")
	npm --prefix frontend test

run: install  ## the portal as it is, with its broker and a worker
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py serve --port $(PORT)

check:     ## what CI runs; changes nothing
check: install dev engine
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	npm --prefix frontend run check
	$(MAKE) test

fix: dev   ## what a machine can fix
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# A process for each file: some peers are shown a torchvision that is none.
peers: dev engine $(VENV)/bench.stamp  ## the tests that hold our measures and maps against libraries that nothing else needs
	@for file in $(PEER_TESTS); do \
		OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 0 $$file || exit 1; done
PEER_TESTS := tests/ml/engine/test_map_peers.py tests/ml/engine/test_gradient_scores.py \
	tests/ml/stats/explanation/test_faithfulness_peers.py tests/ml/stats/ood/test_peers.py \
	tests/ml/imaging/test_series.py tests/ml/imaging/test_segments.py

bench: install dev $(VENV)/bench.stamp  ## ours against peers; `make bench n=audit` for one group
	$(BIN)/python -m benchmarks $(n)

docs: install  ## write the pages made from code
	$(BIN)/python manage.py write_docs

lock: dev  ## pin again after a change of pyproject.toml
	$(BIN)/pip-compile $(LOCK) -o requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
LOCK := --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--strip-extras --allow-unsafe --no-header

clean:     ## remove what was built; the portal's data in var/ stays
	rm -rf $(VENV) frontend/node_modules frontend/dist

install: $(VENV)/runtime.stamp frontend/dist/.stamp
dev: $(VENV)/dev.stamp
engine: $(VENV)/engine.stamp
frontend: frontend/dist/.stamp

$(VENV)/runtime.stamp: requirements.lock
	@echo "Installing the pinned packages into $(VENV); the first time takes a minute or two."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "Python 3.11 is needed: install it, or name it with PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	@echo "Installing what the tests need."
	@$(PIP) -r requirements-dev.lock
	@touch $@

$(VENV)/engine.stamp: requirements-engine.txt $(VENV)/runtime.stamp
	@echo "Installing torch, which is large."
	@$(BIN)/python -m pip install -qq --no-deps -r requirements-engine.txt
	@$(BIN)/python -c "import torch" || { $(BIN)/python -m pip uninstall -qq -y torch; \
		echo "This torch lacks libraries and was taken away again: install a wheel for this machine by hand."; exit 1; }
	@touch $@

$(VENV)/bench.stamp: requirements-bench.txt $(VENV)/dev.stamp
	@echo "Installing the peers of the benchmarks; torch is large."
	@$(BIN)/python -m pip install -qq --no-deps -r requirements-bench.txt
	@touch $@

FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
frontend/dist/.stamp: $(FRONTEND) $(VENV)/runtime.stamp
	@echo "Building the pages' scripts and styles."
	@npm --prefix frontend ci --silent --no-audit --no-fund
	@npm --prefix frontend run build --silent > /dev/null
	@touch $@
