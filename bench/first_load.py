"""The first visit of the page in a browser: when something is seen, and how much is loaded for it.

`CHROMIUM=/usr/bin/chromium python -m bench.first_load` starts the page as people start it and opens it several times,
each in a browser that has nothing of it yet. The first contentful paint is the browser's own measure; bytes are those
that came over the network, packed as they were.
"""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import dataclass

from playwright.sync_api import Browser, sync_playwright

from bench.memory import page

SETTLE_MS = 3000  # after the tab can be used, for what is loaded late
SIZE = {"width": 1280, "height": 900}
HEADINGS = ("| first contentful paint, s | usable, s | loaded, KB | requests |", "|---:|---:|---:|---:|")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
NOW = "performance.now()"


@dataclass(frozen=True)
class Visit:
    """One first visit: seconds after the navigation began, bytes over the network, and requests."""

    paint_s: float
    usable_s: float
    received: int
    requests: int


def visit(browser: Browser, url: str) -> Visit:
    """Opens the page with an empty cache and waits until its first tab can be used."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]  # a dict of two numbers
    opened = context.new_page()
    received: list[int] = []
    network = context.new_cdp_session(opened)
    network.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    network.send("Network.enable")
    opened.goto(url)
    opened.locator("#classify-run").wait_for(state="visible")
    usable_ms = opened.evaluate(NOW)
    opened.wait_for_timeout(SETTLE_MS)
    seen = Visit(opened.evaluate(PAINT) / 1000, usable_ms / 1000, sum(received), len(received))
    context.close()
    return seen


def row(visits: list[Visit]) -> str:
    """The medians as a line of a Markdown table."""
    paint, usable, received, requests = (
        statistics.median(getattr(one, name) for one in visits)
        for name in ("paint_s", "usable_s", "received", "requests")
    )
    return f"| {paint:.2f} | {usable:.2f} | {received / 1000:.0f} | {requests:.0f} |"


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--url", help="of a page that runs already")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
        if options.url:
            visits = [visit(browser, options.url) for _ in range(options.visits)]
        else:
            with page() as (_, url):
                visits = [visit(browser, url) for _ in range(options.visits)]
        browser.close()
    print(*HEADINGS, row(visits), sep="\n")


if __name__ == "__main__":
    main()
