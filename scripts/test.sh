#!/usr/bin/env bash
# Runs every test in two parts, each in two processes (WORKERS changes it): first most of them, then those that serve the
# page or drive a browser, apart because they watch the clock. Options of pytest go to both parts.
set -euo pipefail
cd "$(dirname "$0")/.."

nothing_to_run=5 # exit code of pytest where no test is left
part() {
  code=0
  .venv/bin/python -m pytest "$@" || code=$?
  [ "$code" = "$nothing_to_run" ] || ran=yes
  [ "$code" = 0 ] || [ "$code" = "$nothing_to_run" ] || failed=$code
}

ran= failed=0
part --numprocesses "${WORKERS:-2}" --dist loadscope -m "not server and not browser" "$@"
part --numprocesses "${WORKERS:-2}" --dist loadscope -m "server or browser" "$@"
[ -n "$ran" ] || exit "$nothing_to_run"
exit "$failed"
