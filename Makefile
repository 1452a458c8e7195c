# People, hooks and CI use only these targets.
.DEFAULT_GOAL := help
.PHONY: help install setup up worker release-worker wheels release-check bundle documents images manifests checksums version print-version arm64 down check test test-llm-guard lint format e2e bench tables faults clean schemas screenshots reference audit sbom

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# A uv on PATH is called by its name: make takes a path with a space for two files.
ifeq ($(shell uv --version 2>/dev/null),)
UV := .stile/uv/bin/uv
OWN_UV := $(UV)
else
UV := uv
endif

up: install ## install what runs and start it in the foreground; Ctrl-C stops it
	@.venv/bin/stile up

install: $(OWN_UV) worker ## install what runs, from the lock files; what `make setup` has added stays
	@$(UV) sync --locked --inexact --all-packages --no-default-groups --group model $(SYNC) || { $(WHY_SETUP_FAILED); exit 1; }
	@$(AFTER_SYNC)

down: ## stop what `make up` started
	@if [ -x .venv/bin/stile ]; then .venv/bin/stile down; else echo "Nothing is set up here, so nothing runs."; fi

clean: down ## remove what was built and installed; data, logs, credentials and models stay
	rm -rf .venv .venv-llm-guard .stile/uv dist sbom rust-consumer/target .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@echo "Kept: .stile (data, logs, credentials) and models/. Remove them by hand if they are not needed."

setup: $(OWN_UV) worker ## install what developers need, too: tests, linters, Node, the page's browser driver
	@$(UV) sync --locked --all-packages $(SYNC) || { $(WHY_SETUP_FAILED); exit 1; }
	@$(AFTER_SYNC)

# maturin compiles without a word, so cargo does it first, and maturin finds it done. Without cargo, maturin
# installs a toolchain if it can.
worker:
ifndef STILE_WHEELS
	@if command -v cargo >/dev/null; then \
	  [ -d rust-consumer/target/quick ] || echo "The worker is compiled, the first time only. This takes two or three minutes ..."; \
	  cd rust-consumer && cargo build --locked --profile quick; fi || { $(WHY_SETUP_FAILED); exit 1; }
endif

# With STILE_WHEELS, a folder or an index, the worker is installed from its wheel, and nothing is compiled.
ifdef STILE_WHEELS
SYNC := --no-install-package stile-consumer
AFTER_SYNC = $(WORKER_FROM_WHEEL) && $(COMPILE_AND_SAY)
else
AFTER_SYNC = $(COMPILE_AND_SAY)
endif

WORKER_FROM_WHEEL = case "$$STILE_WHEELS" in *://*) set -- --default-index "$$STILE_WHEELS";; \
  *) set -- --no-index --find-links "$$STILE_WHEELS";; esac; \
  $(UV) pip install --quiet --python .venv --no-deps --only-binary :all: "$$@" \
    "stile-consumer==$(VERSION_HERE)" || \
  { echo "setup failed: STILE_WHEELS has no wheel of the worker for this machine. Unset it to compile the worker." >&2; exit 1; }

COMPILE_AND_SAY = .venv/bin/python -c '$(COMPILE)' && du -sm .venv | sed 's/\t.*/ MB are installed in .venv./'

# What `stile` imports for a short command is compiled now, so that the first call is as fast as the others, also
# for a user who cannot write here. All packages would take a minute.
COMPILE = import compileall, importlib.util; \
  [compileall.compile_dir(path, quiet=2) for name in "typer pydantic pydantic_core nacl psutil stile stile_runtime \
  stile_contracts".split() for path in importlib.util.find_spec(name).submodule_search_locations]

# On a bare machine, compiling the worker usually fails. maturin installs a Rust toolchain if it can.
WHY_SETUP_FAILED = \
  if ! command -v cargo >/dev/null; then \
    echo "setup failed: there is no Rust toolchain. Install one (https://rustup.rs), or set STILE_WHEELS." >&2; \
  elif ! command -v cc >/dev/null; then \
    echo "setup failed: there is no C compiler to link with. Install one (apt install build-essential)." >&2; \
  else \
    echo "setup failed: what went wrong stands above." >&2; \
  fi

.stile/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "setup failed: there is no python3. Install Python 3.11 or newer." >&2; exit 1; }
	@rm -rf .stile/uv && python3 -m venv .stile/uv || { rm -rf .stile/uv; \
	  echo "setup failed: python3 cannot make environments. Install python3-venv, or uv (https://docs.astral.sh/uv)." >&2; exit 1; }
	@echo "Fetching uv ..." && .stile/uv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  --require-hashes -r requirements-uv.txt || { rm -rf .stile/uv; \
	  echo "setup failed: uv could not be fetched. Is there a network?" >&2; exit 1; }

lint: setup ## every linter
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	cd rust-consumer && cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings

format: setup ## apply the fixes of the linters
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	cd rust-consumer && cargo fmt

check: setup ## the tests that start no process: a minute
	.venv/bin/pytest --ring check $(HALVES)

test: setup ## every test that needs no Docker; the page's need chromium or google-chrome on PATH
	.venv/bin/pytest --ring check --ring processes $(HALVES)
	cd rust-consumer && cargo test --locked

e2e: setup ## the tests in containers: needs Docker with Compose v2
	.venv/bin/pytest --ring docker tests/e2e

# Two halves at once, a file to a half; in the order of the folders, so that the longest test is not the last.
HALVES = --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-llm-guard: $(OWN_UV) ## the filter's tests with the archived llm-guard and torch (5 GB, .venv-llm-guard)
	UV_PROJECT_ENVIRONMENT=.venv-llm-guard $(UV) sync --locked --python '>=3.11,<3.13' --only-group dev
	UV_PROJECT_ENVIRONMENT=.venv-llm-guard $(UV) sync --locked --inexact --package stile-filter --only-group llm-guard
	.venv-llm-guard/bin/pytest filter-service/tests

bench: release-worker ## the time and memory that Stile adds, measured with a stand-in model without latency
	.venv/bin/python benchmarks/bench.py

screenshots: setup ## render docs/images with the real small model; look at each image before you commit it
	PYTHONPATH=tests .venv/bin/python tests/web/screenshots.py docs/images
	PYTHONPATH=tests .venv/bin/python tests/web/console/screenshots.py docs/images

# A checkout's worker compiles fast and runs slower; `make setup` brings it back.
release-worker: setup
	$(UV) pip install --quiet --python .venv --no-deps --reinstall-package stile-consumer ./rust-consumer

tables: release-worker ## measure fairness, leaving clients and first tokens: benchmarks/results (five minutes)
	.venv/bin/python benchmarks/waiting/fair.py
	.venv/bin/python benchmarks/waiting/leavers.py
	.venv/bin/python benchmarks/generation/first_token.py

faults: setup ## kill, pause and cut each part under load, and account for every request (ten minutes)
	.venv/bin/python tests/faults/run.py --seconds 60

schemas: setup ## export the messages' JSON Schemas
	.venv/bin/python -m stile_contracts.export contracts

reference: setup ## write the commands' help into docs/cli.md
	.venv/bin/python -m stile.shell.reference docs/cli.md

# The worker's wheel is linked by zig for an old libc, so that it runs on Debian 12, too.
wheels: $(OWN_UV) ## the wheels of a release for this machine's architecture, in dist/
	@rm -rf dist
	for package in $(PYTHON_PACKAGES); do $(UV) build --quiet --wheel --out-dir dist $$package || exit 1; done
	$(UV) tool run --from 'maturin[zig]==1.16.0' maturin build --manifest-path rust-consumer/Cargo.toml \
	  --release --locked --zig --compatibility manylinux_2_28 $(TARGET:%=--target %) --out dist

PYTHON_PACKAGES = contracts runtime gateway console filter-service cli .

release-check: setup wheels ## install the wheels of dist/ into an empty environment, and ask a question
	TEST_WHEELS=dist .venv/bin/pytest tests/release/test_wheels.py

arm64: TARGET = aarch64-unknown-linux-gnu
arm64: wheels ## the same for ARM64, emulated: needs Docker with qemu, and `rustup target add aarch64-unknown-linux-gnu`
	docker run --rm --platform linux/arm64 --volume "$$PWD/dist:/dist:ro" --volume "$$PWD/tests/release:/check:ro" \
	  python:3.11-slim-bookworm sh /check/in_container.sh

bundle: ## what `docker compose` needs without a checkout, in dist/; REGISTRY=… names the images' registry
	@mkdir -p dist && printf 'STILE_REGISTRY=%s\n' '$(REGISTRY)' >dist/.env
	tar -czf dist/stile-compose-$(VERSION_HERE).tar.gz --transform 's,^\(dist/\)\?,stile/,' dist/.env docker-compose.yml \
	  filter-service/policy.yml filter-service/presets filter-service/wordlists models/models.toml models/README.md
	@rm dist/.env

documents: setup ## the OpenAPI and AsyncAPI documents, in dist/
	@mkdir -p dist
	.venv/bin/python -c '$(OPENAPI)' >dist/openapi.json
	cp nats/asyncapi.yaml dist/

OPENAPI = import json; from stile_gateway.app import create_app; from stile_gateway.settings import Settings; \
  print(json.dumps(create_app(Settings()).openapi(), indent=1))

# bake reads docker-compose.yml. An image is first tagged with its architecture, as ARM64 is built on ARM64.
images: ## build the images for PLATFORM=amd64 or arm64; REGISTRY=… and OUTPUT=--push send them there
	STILE_REGISTRY='$(REGISTRY)' STILE_VERSION='$(VERSION_HERE)-$(PLATFORM)' docker buildx bake --file docker-compose.yml \
	  --set '*.platform=linux/$(PLATFORM)' $(OUTPUT) credentials filter-service rust-consumer gateway console bus-port

PLATFORM = amd64
OUTPUT = --load

manifests: ## give the pushed images of both architectures one name
	for image in cli filter consumer gateway console bus-port; do \
	  name='$(REGISTRY)'stile-$$image:$(VERSION_HERE); \
	  docker buildx imagetools create --tag $$name $$name-amd64 $$name-arm64 || exit 1; done

checksums: ## SHA-256 of everything in dist/
	cd dist && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS

version: $(OWN_UV) ## write VERSION=1.2.3 into all packages, the crate and the images
	sed -i -E -e 's/^version = "$(VERSION_HERE)"/version = "$(VERSION)"/' \
	  -e 's/(stile-[a-z]+(\[[a-z]+\])?)==$(VERSION_HERE)/\1==$(VERSION)/' \
	  -e 's/(STILE_VERSION(=|:-)|"stile-[a-z]+:)$(VERSION_HERE)/\1$(VERSION)/' pyproject.toml */pyproject.toml \
	  rust-consumer/Cargo.toml */Dockerfile docker-compose.yml tests/e2e/containers.py
	$(UV) lock
	cd rust-consumer && cargo update --workspace --offline

print-version:
	@echo $(VERSION_HERE)

VERSION_HERE = $(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q;}' pyproject.toml)

# Both need PyPI's advisories and RustSec's on GitHub. So CI runs them, and `.ci/run` does not.
audit: $(OWN_UV) ## known faults of locked packages; licences and sources of crates (needs cargo-deny)
	@mkdir -p .stile
	$(UV) export --quiet --locked --all-packages --no-emit-workspace --format requirements.txt -o .stile/locked.txt
	$(UV) tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes -r .stile/locked.txt
	cd rust-consumer && cargo deny --locked check

sbom: $(OWN_UV) ## CycloneDX lists of each image's packages, in sbom/ (needs cargo-cyclonedx)
	@mkdir -p sbom
	$(UV) export --quiet --locked --no-dev --package stile-gateway --format cyclonedx1.5 -o sbom/gateway.cdx.json
	$(UV) export --quiet --locked --no-dev --package stile-console --format cyclonedx1.5 -o sbom/console.cdx.json
	$(UV) export --quiet --locked --no-dev --package stile-cli --format cyclonedx1.5 -o sbom/cli.cdx.json
	$(UV) export --quiet --locked --no-dev --package stile-filter --extra gorget --format cyclonedx1.5 \
	  -o sbom/filter-service.cdx.json
	cd rust-consumer && cargo cyclonedx --format json --override-filename rust-consumer.cdx
	mv rust-consumer/rust-consumer.cdx.json sbom/
