# People, hooks and CI call only these.
.DEFAULT_GOAL := help
.PHONY: help setup up down test test-llm-guard lint format e2e bench clean schemas

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

UV := $(shell command -v uv 2>/dev/null || echo .stile/uv/bin/uv)

setup: $(UV) ## everything that runs and tests need, from the lock
	$(UV) sync --locked --all-packages

.stile/uv/bin/uv:
	python3 -m venv .stile/uv
	.stile/uv/bin/pip install --quiet uv

lint: setup ## every linter
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	cd rust-consumer && cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings

format: setup ## what linters can mend by themselves
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	cd rust-consumer && cargo fmt

test: setup ## every test that needs no Docker
	.venv/bin/pytest -m "not e2e"
	cd rust-consumer && cargo test --locked

e2e: setup ## the tests in containers: needs Docker with Compose v2
	.venv/bin/pytest -m e2e tests/e2e

test-llm-guard: $(UV) ## the filter's tests on the archived llm-guard, with torch (5 GB, .venv-llm-guard)
	UV_PROJECT_ENVIRONMENT=.venv-llm-guard $(UV) sync --locked --python '>=3.11,<3.13' --no-default-groups --group dev --group llm-guard
	.venv-llm-guard/bin/pytest filter-service/tests

schemas: setup ## export the messages' JSON Schemas
	.venv/bin/python -m stile_contracts.export contracts
