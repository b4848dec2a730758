.DEFAULT_GOAL := run
QUICK = --numprocesses 2 --dist loadscope -m "not slow and not server and not browser"
.PHONY: run test quick check format hooks lock coverage docs screenshots

run:  ## serve the page on http://127.0.0.1:7860 (PORT and HOST change it)
	@scripts/env.sh requirements.lock
	.venv/bin/python app.py

test:  ## run every test, those in a real browser too; PYTEST=tests/cli runs some
	@scripts/env.sh requirements-dev.lock
	@CHROMIUM="$$(scripts/browser.sh)" || exit 1; export CHROMIUM; scripts/test.sh $(PYTEST)

quick:  ## run the unit tests: nothing slow, no server, no browser
	@scripts/env.sh requirements-dev.lock
	.venv/bin/python -m pytest $(QUICK) $(PYTEST)

check:  ## format, lint and types
	@scripts/env.sh requirements-dev.lock
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format:  ## format the code and mend what ruff can mend
	@scripts/env.sh requirements-dev.lock
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

hooks:  ## run `make check` before each commit
	@scripts/env.sh requirements-dev.lock
	.venv/bin/pre-commit install

lock:  ## renew the lock files after a change of requirements*.txt; UPGRADE=1 takes the newest versions
	@scripts/env.sh requirements-dev.lock
	scripts/lock.sh

coverage:  ## which lines the quick tests run
	@scripts/env.sh requirements-dev.lock
	.venv/bin/python -m pytest $(QUICK) --cov --cov-report term:skip-covered

docs:  ## build the documentation into runs/site; a wrong link is an error
	@scripts/env.sh requirements-dev.lock
	.venv/bin/mkdocs build --quiet

screenshots:  ## drive every tab and write docs/screenshots/*.png
	@scripts/env.sh requirements-dev.lock
	@CHROMIUM="$$(scripts/browser.sh)" || exit 1; export CHROMIUM; .venv/bin/python -m scripts.screenshots
