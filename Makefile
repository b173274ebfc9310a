PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROOFS := $(addprefix tests/test_,migrations.py alerts.py rehearsal.py examples.py loading_divisions.py documents.py \
  sheets.py lists.py routing_rules.py later.py cores.py matters_files.py) \
  $(addprefix tests/slow/test_,cores.py killing.py telemetry.py torture.py)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-slow test-proofs fuzz lint bench registry scale soak torture lock problems openapi released secrets clean

demo: $(VENV)/.run ## the service with a demonstration data set, on http://127.0.0.1:8000
	$(BIN)/syt demo

test: $(VENV)/.dev ## the whole suite on a real PostgreSQL, in parallel
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.dev ## whole services started, killed and started again
	$(BIN)/python -m pytest -m slow

test-proofs: $(VENV)/.dev ## of the slow ones those of minutes: parts killed, cores away, each migration up and down, whole sweeps of data
	$(BIN)/python -m pytest -m slow $(PROOFS)

fuzz: $(VENV)/.dev ## thousands of calls of the whole document, by each kind of caller; the same each time
	FUZZ_EXAMPLES=3 $(BIN)/python -m pytest -m slow -k fixed tests/slow/test_fuzzing.py tests/slow/test_fuzzing_links.py

lint: $(VENV)/.dev ## style, types, import contracts, dead code, the compose file, the released contract, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m contract docs/openapi-released.json docs/openapi.json docs/openapi-decided.txt
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline

bench: $(VENV)/.dev ## load beside reference lines; writes docs/performance.md
	$(BIN)/python -m bench
	$(BIN)/python -m bench.starts
	$(BIN)/python -m bench.evidence

registry: $(VENV)/.dev ## finding among 300,000 outlets, coverage, large spreadsheets; writes docs/registry.md
	$(BIN)/python -m bench.registry
	$(BIN)/python -m bench.imports

scale: $(VENV)/.dev ## lists, claims and submissions among 10^4, 10^6 and 10^7 applications; writes docs/scale.md
	$(BIN)/python -m bench.scale

soak: $(VENV)/.dev ## ten minutes of steady load, slow clients and two bursts; writes docs/scale.md
	$(BIN)/python -m bench.soak

torture: $(VENV)/.dev ## load on a service whose parts are killed, stopped and starved; writes docs/reliability.md
	$(BIN)/python -m torture

lock: $(VENV)/.dev ## make the locked requirements anew (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --extra build pyproject.toml -o requirements.txt --quiet
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --extra dev --extra build -c requirements.txt pyproject.toml -o requirements-dev.txt --quiet

secrets: $(VENV)/.dev ## make .secrets.baseline anew, after each new finding was looked at and is none
	$(BIN)/detect-secrets scan --exclude-files '^requirements.*\.txt$$|^data/' > .secrets.baseline

problems: $(VENV)/.run ## make docs/problems.md and the SDK's errors anew
	$(BIN)/python -m cli.problems > docs/problems.md
	$(BIN)/python -m cli.problems client > client/problems.py.new && mv client/problems.py.new client/problems.py

openapi: $(VENV)/.run ## make docs/openapi.json anew: after each change of the API
	$(BIN)/python -m cli.openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

released: openapi ## what is there now is released: from here on nothing of it may break
	cp docs/openapi.json docs/openapi-released.json
	sed -i '/^#/!d' docs/openapi-decided.txt

clean:
	rm -rf $(VENV) var

$(VENV)/.run: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(PIP) --require-hashes -r requirements-dev.txt
	touch $@
