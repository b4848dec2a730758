#!/usr/bin/env bash
# Makes .venv and installs a requirements file into it; does nothing where that was done before.
# Usage: scripts/env.sh requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=$1
stamp=.venv/.installed-$(cat requirements.txt "$requirements" | cksum | cut -d' ' -f1)
[ -e "$stamp" ] && exit 0

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
echo "Installing $requirements into .venv (PyTorch is large: a few minutes the first time) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
rm -f .venv/.installed-*
touch "$stamp"
# the test tools contain everything the page needs
[ "$requirements" = requirements-dev.txt ] && touch ".venv/.installed-$(cat requirements.txt requirements.txt | cksum | cut -d' ' -f1)"
exit 0
