.DEFAULT_GOAL := run
.PHONY: run test check screenshots

run:  ## serve the page on http://127.0.0.1:7860 (PORT and HOST change it)
	@scripts/env.sh requirements.txt
	.venv/bin/python app.py

test:  ## run every test, those in a real browser too
	@scripts/env.sh requirements-dev.txt
	@CHROMIUM="$$(scripts/browser.sh)" || exit 1; export CHROMIUM; .venv/bin/python -m pytest $(PYTEST)

check:  ## format, lint and types
	@scripts/env.sh requirements-dev.txt
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

screenshots:  ## drive every tab and write docs/screenshots/*.png
	@scripts/env.sh requirements-dev.txt
	@CHROMIUM="$$(scripts/browser.sh)" || exit 1; export CHROMIUM; .venv/bin/python -m scripts.screenshots
