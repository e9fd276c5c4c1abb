# Aliases only: everything that does something lives in scripts/.
.PHONY: help demo demo-loop test fast lint format sanity build clean

help:
	@echo "make demo | demo-loop | test | fast | lint | format | sanity | build | clean   (see CONTRIBUTING.md)"

demo:
	scripts/demo

demo-loop:
	scripts/demo-loop

test:
	scripts/test

fast:
	scripts/test --fast

lint:
	scripts/lint

format:
	.venv/bin/ruff check --fix cli plugins tests scripts
	.venv/bin/ruff format cli plugins tests scripts

sanity:
	tests/sanity/run

build:
	.venv/bin/python -m build --wheel --outdir dist
	.venv/bin/ansible-galaxy collection build --force --output-path dist

clean:
	scripts/clean
