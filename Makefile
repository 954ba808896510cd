# Every target can be run again at any time; what is up to date is left alone.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# What tests use beside Python: a balancer, and network namespaces to put services into.
APT_PACKAGES := haproxy iproute2
TOOLS := $(VENV)/tools

##@ Environment
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {print "\n" substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

init: $(INSTALLED) ## Create .venv and install everything, pinned by lock.txt

install: init ## The same as init

$(INSTALLED): pyproject.toml lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tapetum needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV): some minutes the first time, and on Linux 7 GB, since torch brings CUDA along"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,onnxruntime,kaggle,dev]' --constraint lock.txt
	@touch $@

$(TOOLS): $(INSTALLED) Makefile
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive; \
		install="apt-get -o DPkg::Lock::Timeout=500 -qq install -y --no-install-recommends $(APT_PACKAGES)"; \
		$$install >/dev/null 2>&1 || { apt-get -qq update && $$install >/dev/null; }; \
	fi
	@touch $@

lock: ## Pin the newest versions that fit pyproject.toml, in lock.txt and requirements.txt
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/pip install --quiet uv
	@$(VENV)-lock/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate \
		--all-extras pyproject.toml --output-file lock.txt
	@$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--extra train --constraint lock.txt pyproject.toml --output-file requirements.txt
	@echo '--editable .' >> requirements.txt
	@rm -r $(VENV)-lock

##@ Data
DATASET ?= cats-dogs

download: $(INSTALLED) ## Photographs from Kaggle into data/cats-dogs (DATASET=cifar10 LIMIT=1000)
	@$(BIN)/tapetum data fetch $(DATASET) --to data/$(DATASET) $(if $(LIMIT),--limit $(LIMIT))

data-setup: download ## The same, and checked; findings are shown and stop nothing
	@$(BIN)/tapetum data check data/$(DATASET) || test $$? -eq 1

##@ The main job
demo: $(INSTALLED) ## Everything once, on handwritten digits (KEEP=1 leaves the service up, PORT=8001)
	@$(BIN)/tapetum demo $(if $(KEEP),--keep) $(if $(PORT),--port $(PORT))

train: $(INSTALLED) ## Train a recipe (RECIPE=cats-dogs DATA=data/cats-dogs EPOCHS= BATCH_SIZE= LR=)
	@$(BIN)/tapetum train $(or $(RECIPE),cats-dogs) $(addprefix --data ,$(or $(DATA),$(wildcard data/$(or $(RECIPE),cats-dogs)))) \
		$(if $(EPOCHS),train.epochs=$(EPOCHS)) $(if $(BATCH_SIZE),train.batch_size=$(BATCH_SIZE)) $(if $(LR),train.lr=$(LR))

serve: $(INSTALLED) ## Serve a bundle (BUNDLE=runs/cats-dogs/bundle)
	@$(BIN)/tapetum serve $(or $(BUNDLE),runs/cats-dogs/bundle)

mlflow-ui: $(INSTALLED) ## Look at tracked runs on port 5000
	@MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --port 5000

##@ Checks
test: lint $(TOOLS) ## Format check, lint, types, and every test with coverage
	@$(BIN)/pytest --cov --cov-report=term:skip-covered

test-quick: $(INSTALLED) ## Unit and contract tests, without coverage
	@$(BIN)/pytest tests/unit tests/contract

lint: $(INSTALLED) ## Format check, lint and types, changing nothing
	@$(BIN)/ruff format --check --quiet . || { echo "run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: $(INSTALLED) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

docs: $(INSTALLED) ## Write docs/cli.md and docs/settings.md from the code
	@$(BIN)/python docs/render.py

clean: ## Remove the environment and caches; models in runs/ and mlruns/ stay
	@rm -rf $(VENV) runs/cache .coverage .mypy_cache .pytest_cache .ruff_cache

.PHONY: help init install lock download data-setup demo train serve mlflow-ui test test-quick lint format docs clean
