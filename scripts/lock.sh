#!/usr/bin/env bash
# Writes requirements.lock and requirements-dev.lock: exact versions with hashes, for Python 3.10 to 3.12 and every platform.
# Versions that still fit are kept; with UPGRADE=1 all become the newest that requirements*.txt allow.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # OUTPUT INPUT OPTIONS: the resolver reads the versions to keep from OUTPUT
  .venv/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
    --custom-compile-command "make lock" --output-file "$@"
}

compile requirements-dev.lock requirements-dev.txt ${UPGRADE:+--upgrade}
# the page runs on the versions that it is tested with
cp requirements-dev.lock requirements.lock
compile requirements.lock requirements.txt --constraint requirements-dev.lock
