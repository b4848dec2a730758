#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests, after installing one where there is none:
# $CHROMIUM, or one on the PATH, or Debian's package when root, or Playwright's own download.
set -euo pipefail
cd "$(dirname "$0")/.."

works() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; } # Ubuntu's chromium is a stub without snap

found() {
  if [ -n "${CHROMIUM:-}" ]; then
    works "$CHROMIUM" || { echo "CHROMIUM=$CHROMIUM is not a browser that starts" >&2; exit 1; }
    echo "$CHROMIUM"
    return
  fi
  for name in chromium google-chrome google-chrome-stable chromium-browser; do
    path=$(command -v "$name" || true)
    if works "$path"; then
      echo "$path"
      return
    fi
  done
  return 1
}

playwrights_own() {
  path=$(.venv/bin/python - <<'P'
from playwright.sync_api import sync_playwright
import pathlib, sys
with sync_playwright() as p:
    path = pathlib.Path(p.chromium.executable_path)
print(path) if path.is_file() else sys.exit(1)
P
  ) && works "$path" && echo "$path"
}

found && exit 0
playwrights_own 2>/dev/null && exit 0
if [ "$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then
  echo "Installing Debian's chromium for the browser tests ..." >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >&2 || true
  found && exit 0
fi
with_deps=$([ "$(id -u)" = 0 ] && echo --with-deps || true)
.venv/bin/python -m playwright install $with_deps chromium >&2 || true
playwrights_own 2>/dev/null && exit 0
echo "The browser tests need a Chromium and none could be installed; install Chromium or Google Chrome, or name one: CHROMIUM=/path/to/chromium make test" >&2
exit 1
