"""Starts the page, drives every tab and writes `docs/screenshots/<tab>.png` and `<tab>-phone.png`.

Run it with `make screenshots`. The phone pictures are taken in the dark scheme. `--only dream` takes one tab.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.ui.page_server import ROOT, free_port, wait_until_it_answers

OUT = ROOT / "docs" / "screenshots"
SIZES: dict[str, tuple[int, int, Literal["light", "dark"]]] = {"": (1280, 900, "light"), "-phone": (390, 844, "dark")}
FINISHED = re.compile(r"\bin [\d.]+ m?s")  # the time that every status gives at the end
PATIENCE_MS = 240_000
MAX_HEIGHT_PX = 2400


def run_example(slug: str, nth: int = 0) -> Callable[[Page], None]:
    """Clicks the tab's nth example picture, which runs it, and waits until the status says how long it took."""

    def drive(page: Page) -> None:
        page.locator(f"#tab-{slug} .gallery button").nth(nth).click()
        expect(page.locator(f"#{slug}-status")).to_contain_text(FINISHED, timeout=PATIENCE_MS)

    return drive


def press_run(slug: str) -> Callable[[Page], None]:
    """Presses the tab's run button and waits for its status."""

    def drive(page: Page) -> None:
        page.click(f"#{slug}-run")
        expect(page.locator(f"#{slug}-status")).to_contain_text(FINISHED, timeout=PATIENCE_MS)

    return drive


def explore_samples(page: Page) -> None:
    """Draws pictures, picks three, and fills the parts for the way between and for the sum."""
    press_run("sample")(page)
    for number, slot in ((9, "A"), (14, "B"), (5, "C")):
        page.locator("#sample-result .thumbnail-lg").nth(number - 1).click()
        expect(page.locator("#sample-pick-name")).to_contain_text(f"Picture {number} of", timeout=PATIENCE_MS)
        page.click(f"#sample-use-{slot}")
        expect(page.locator(f"#sample-slots img[alt^='{slot}: Picture {number} ']")).to_be_visible(timeout=PATIENCE_MS)
    for part in ("interpolate", "arithmetic"):
        page.locator(f"#sample-{part} .label-wrap").click()
        page.click(f"#sample-{part}-run")
        expect(page.locator(f"#sample-{part}-status")).to_contain_text(FINISHED, timeout=PATIENCE_MS)


DRIVES: dict[str, Callable[[Page], None]] = {
    "classify": run_example("classify"),
    "detect": run_example("detect"),
    "dream": run_example("dream"),
    "style": run_example("style"),
    "sample": explore_samples,
    "upscale": run_example("upscale"),
}


def shoot(page: Page, url: str, slug: str, suffix: str) -> None:
    """One screenshot of one tab with a result, as a palette PNG that a README can carry."""
    dark = "&__theme=dark" if SIZES[suffix][2] == "dark" else ""
    page.goto(f"{url}/?tab={slug}{dark}")
    expect(page.locator(f"#{slug}-run")).to_be_visible()
    DRIVES[slug](page)
    page.wait_for_timeout(2500)
    target = OUT / f"{slug}{suffix}.png"
    page.screenshot(path=target, full_page=True)
    picture = Image.open(target).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, MAX_HEIGHT_PX)))
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(
        target, optimize=True
    )
    print(target.relative_to(ROOT), f"{target.stat().st_size // 1024} KB")


def main() -> None:
    """Takes all screenshots, or those of `--only TAB`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=DRIVES)
    only = parser.parse_args().only
    OUT.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env={**os.environ, "PORT": str(port)})
    try:
        wait_until_it_answers(url, process)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
            for suffix, (width, height, scheme) in SIZES.items():
                for slug in [only] if only else DRIVES:
                    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                    shoot(page, url, slug, suffix)
                    page.close()
            chromium.close()
    finally:
        process.terminate()
        process.wait(timeout=20)


if __name__ == "__main__":
    main()
