"""Draws what every channel of blocks 5 to 13 looks for, a sheet a block, and writes the page that shows them.

    python -m scripts.dream_channels [--blocks block9 ...] [--work DIR]

Each tile is a dream of one channel alone, from the same blurred noise, so tiles differ by their channel only. A tile
is kept in DIR as soon as it is drawn: a run that was stopped goes on where it ended. The page shows the sheets that
are there. All of them, 1,152 channels, take about an hour of one core.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tqdm import tqdm

from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.images import ImageArray
from cvdemo.nets.efficientnet_lite import layer_channels
from cvdemo.whole_files import write_whole

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "dream-channels.md"
SHEETS = PAGE.with_suffix("")  # the folder of the same name
WORK = ROOT / "runs" / "dream-channels"
BLOCKS = tuple(f"block{number}" for number in range(5, 14))
DREAM = DreamConfig(octaves=2, steps=16, size_px=128, jitter_px=16)
TILE_PX, LABEL_PX, COLUMNS = 64, 12, 14
CONTRAST = 12  # standard deviation of the noise in grey levels: enough to begin with, too little to be seen
SHEET_BYTES = 150_000
QUALITIES = range(80, 20, -10)  # of WebP; the first whose file is small enough


def noise_picture(side_px: int = 64) -> ImageArray:
    """What every tile begins with: blurred grey noise, uint8 (side, side, 3), always the same."""
    noise = np.random.default_rng(0).integers(0, 256, (side_px, side_px), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)), dtype=np.float32)
    scaled = (blurred - blurred.mean()) / blurred.std() * CONTRAST + 128
    return np.repeat(scaled.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def tile(block: str, channel: int, folder: Path) -> ImageArray:
    """The dream of one channel, uint8 (64, 64, 3); drawn unless its file is there, and kept."""
    path = folder / block / f"{channel:03d}.png"
    if not path.is_file():
        config = replace(DREAM, layer=block, channel=channel)
        dreamed: Dream = result_of(run(DreamRequest(image=noise_picture(), config=config, device="cpu")))
        small = Image.fromarray(dreamed.image).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        small.save(file, "PNG")
        write_whole(path, file.getvalue())
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def sheet(tiles: Sequence[ImageArray]) -> Image.Image:
    """The tiles in rows, each under its number."""
    rows = -(-len(tiles) // COLUMNS)
    drawn = Image.new("RGB", (COLUMNS * TILE_PX, rows * (TILE_PX + LABEL_PX)), "white")
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(LABEL_PX - 2)
    for number, picture in enumerate(tiles):
        left, top = number % COLUMNS * TILE_PX, number // COLUMNS * (TILE_PX + LABEL_PX)
        pen.text((left + TILE_PX / 2, top), str(number), fill="black", font=font, anchor="mt")
        drawn.paste(Image.fromarray(picture), (left, top + LABEL_PX))
    return drawn


def webp_bytes(picture: Image.Image, most: int = SHEET_BYTES) -> bytes:
    """The sheet as WebP of the best quality that fits; of the lowest where none does."""
    for quality in QUALITIES:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= most:
            break
    return file.getvalue()


def page(blocks: Sequence[str]) -> str:
    """The page of the documentation, with the sheets of these blocks."""
    channels = layer_channels()
    lines = [
        "# What each channel draws",
        "",
        "<!-- Made by `python -m scripts.dream_channels`; do not edit. -->",
        "",
        "Each tile is a dream of one channel alone, from the same grey noise. Its number stands above it. To dream of "
        "channel 41 of block 9, write `block9:41` as the objective, on the page or on the command line:",
        "",
        "```sh",
        "python -m cvdemo dream photo.jpg out.png --objective block9:41",
        "```",
        "",
        "[Dream](../how-to/dream.md) tells how to mix several.",
    ]
    for block in blocks:
        alt = f"The {channels[block]} channels of {block}"
        lines += ["", f"## {block}: {channels[block]} channels", "", f"![{alt}]({SHEETS.name}/{block}.webp)"]
    missing = [block for block in BLOCKS if block not in blocks]
    if missing:
        command = f"python -m scripts.dream_channels --blocks {' '.join(missing)}"
        lines += ["", "## Not drawn yet", "", "This draws the others:", "", "```sh", command, "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draws the blocks that are asked for, then the page."""
    parser = argparse.ArgumentParser(description="Draws what every channel of a block looks for.")
    parser.add_argument("--blocks", nargs="+", choices=BLOCKS, default=BLOCKS, help="default: all of 5 to 13")
    parser.add_argument("--work", type=Path, default=WORK, help="where tiles are kept (default: %(default)s)")
    args = parser.parse_args()
    SHEETS.mkdir(parents=True, exist_ok=True)
    for block in args.blocks:
        channels = range(layer_channels()[block])
        tiles = [tile(block, channel, args.work) for channel in tqdm(channels, desc=block, unit="channel")]
        write_whole(SHEETS / f"{block}.webp", webp_bytes(sheet(tiles)))
    write_whole(PAGE, page([block for block in BLOCKS if (SHEETS / f"{block}.webp").is_file()]).encode())


if __name__ == "__main__":
    main()
