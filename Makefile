# CacheDistill: every habit of this repository. `make help` lists them.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# pytest is silent while fixtures work: what takes minutes on a new machine is made before, and says so.
BUILD := $(BIN)/python -m e2e.prepare &&

.DEFAULT_GOAL := help
.PHONY: help demo test e2e cluster-up cluster-down lint format docs bench lock clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## set up what is needed, replay real queries, and show the decisions
	@$(BIN)/python -m examples.demo $(ARGS)

test: $(READY) ## set up what is needed, and run all tests (ARGS= for pytest)
	@echo "== tests: a real Redis with the query engine, real ONNX models, the official SDKs, a real cluster"
	@$(if $(ARGS),,$(BUILD)) $(BIN)/python -m pytest -rs $(ARGS)

e2e: $(READY) ## run the tests in a real cluster: its own, or that of KUBECONFIG
	@$(BUILD) $(BIN)/python -m pytest -rs e2e $(ARGS)

cluster-up: $(READY) ## start a real cluster of this machine's own (root), with all images in it
	@$(BIN)/python -m e2e.cluster up

cluster-down: $(READY) ## take it down, without a trace
	@$(BIN)/python -m e2e.cluster down

lint: $(READY) ## style, types, import rules, and whether generated files are up to date
	@echo "== ruff"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy --strict"; $(BIN)/mypy
	@echo "== import rules"; $(BIN)/lint-imports --no-cache
	@echo "== generated docs"; $(BIN)/python -m docs.generate --check

format: $(READY) ## put the style right
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

docs: $(READY) ## generate the reference from the code
	@$(BIN)/python -m docs.generate

bench: $(READY) ## run a benchmark: make bench NAME=overhead [ARGS="--quick --peers"]
	@test -n "$(NAME)" || { echo "Say which: make bench NAME=overhead (or: faults, recall, cluster)"; exit 2; }
	@$(BIN)/python -m bench.$(NAME) $(ARGS)

lock: $(READY) ## resolve the dependencies anew, with hashes and without URLs
	@for extra in dev sidecar operator; do \
		echo "== requirements/$$extra.txt"; \
		$(BIN)/uv pip compile -q pyproject.toml --extra $$extra --universal --generate-hashes --upgrade \
			--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
			-o requirements/$$extra.txt || exit 1; \
	done
	@for input in requirements/go requirements/build e2e/images/app/requirements; do \
		echo "== $$input.txt"; \
		$(BIN)/uv pip compile -q $$input.in --constraint requirements/dev.txt --universal --python-version 3.11 \
			--generate-hashes --upgrade --no-emit-index-url --no-emit-find-links --no-annotate \
			--custom-compile-command "make lock" -o $$input.txt || exit 1; \
	done

clean: ## remove the environment and all caches of this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The environment: made once, and again when what it holds has changed.
$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 is needed, and '$(PYTHON)' is not there. Install it, or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "== setting up $(VENV): about 600 MB of wheels, pinned by hash"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "The environment could not be made. On Debian: apt-get install python3.11-venv"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt || { \
		echo "The package index could not be reached, or a hash did not match (see above)."; exit 1; }
	@UV_LINK_MODE=copy $(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/bootstrap.txt requirements/dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
	@touch $@
