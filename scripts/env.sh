#!/usr/bin/env bash
# Makes .venv and installs a lock file into it: exact versions, checked by hash. Does nothing where that was done before.
# Usage: scripts/env.sh requirements.lock
set -euo pipefail
cd "$(dirname "$0")/.."

lock=$1
stamp_of() { echo ".venv/.installed-$(cksum <"$1" | cut -d' ' -f1)"; }
[ -e "$(stamp_of "$lock")" ] && exit 0

supported='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
python=
for candidate in "${PYTHON:-}" python3 python3.12 python3.11 python3.10; do
  if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && "$candidate" -c "$supported"; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "No Python 3.10, 3.11 or 3.12 was found; install one, or name it: PYTHON=/path/to/python3.12 make run" >&2
  exit 1
fi
if ! [ -x .venv/bin/pip ]; then
  if ! "$python" -m venv .venv; then
    rm -rf .venv
    echo "$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  fi
fi
echo "Installing $lock into .venv (PyTorch is large: a few minutes the first time) ..."
# -qq: errors alone. Warnings of pip are about its own settings; that a package is the wrong one is an error.
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement "$lock"
rm -f .venv/.installed-*
touch "$(stamp_of "$lock")"
# the test tools contain everything the page needs, in the same versions
[ "$lock" = requirements-dev.lock ] && touch "$(stamp_of requirements.lock)"
exit 0
