"""Makes the small pairs of pictures of `docs/features.md`: `python -m scripts.feature_pictures [NAME ...]`.

Each pair shows one property: left without it or with little of it, right with it. Nothing else differs. Without a name,
all pairs are made. To be run again when dreams or styles have changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from cvdemo.demo import Request, result_of
from cvdemo.demos import run
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import DreamRequest
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.style.config import StyleConfig
from cvdemo.style.run import StyleRequest
from cvdemo.whole_files import write_whole
from scripts.dream_channels import webp_bytes

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "features"
SIDE_PX = 200  # of each of the two
GAP_PX = 4
PAIR_BYTES = 24_000  # at most
DREAM = replace(PRESETS[DEFAULT_PRESET], size_px=384)
STYLE = StyleConfig(size=256, steps=30)


@dataclass(frozen=True)
class Side:
    """One picture of a pair.

    Attributes:
        settings: that differ from `DREAM` or `STYLE`.
        code: values of the program, by their dotted names, in place of its own; for what no setting switches.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Within the block the program has these values."""
        with ExitStack() as stack:
            for name, value in self.code.items():
                stack.enter_context(patch(name, value))
            yield


@dataclass(frozen=True)
class Pair:
    """Two pictures that differ in one thing.

    Attributes:
        words: what is on the left, and what on the right.
        picture: name of the example. style: name of its style; None is a dream.
        middle: of the square that is shown, as shares of width and height.
        shown_px: side of that square in the result, px; `SIDE_PX` shows its pixels as they are.
    """

    words: str
    picture: str
    off: Side
    on: Side = field(default_factory=Side)
    style: str | None = None
    middle: tuple[float, float] = (0.5, 0.5)
    shown_px: int = 240

    def request(self, side: Side) -> DreamRequest | StyleRequest:
        """What makes one of the two."""
        image = read_image(example_picture(self.picture))
        if self.style is None:
            return DreamRequest(image=image, config=replace(DREAM, **side.settings), device="cpu")
        style = read_image(example_picture(f"styles/{self.style}"))
        return StyleRequest(content=image, style=style, config=replace(STYLE, **side.settings), device="cpu")

    def cut(self, image: ImageArray) -> Image.Image:
        """The square that is shown, of `SIDE_PX`."""
        height, width = image.shape[:2]
        side = min(self.shown_px, height, width)
        left, top = (
            min(max(0, round(share * length - side / 2)), length - side)
            for share, length in zip(self.middle, (width, height), strict=True)
        )
        square = Image.fromarray(image[top : top + side, left : left + side])
        return square.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


PAIRS = {
    "octaves": Pair(
        "48 steps at one size; 12 at each of four", "lion", Side({"octaves": 1, "steps": 48}), shown_px=252
    ),
    "steps": Pair("3 steps at each size; 24", "lion", Side({"steps": 3}), Side({"steps": 24})),
    "jitter": Pair("no jitter; 32 px", "castle", Side({"jitter_px": 0}), shown_px=SIDE_PX),
    "detail": Pair("no detail put back; all of it", "castle", Side({"detail": 0.0})),
    "scales": Pair(
        "120 steps at one size; 30 at each of four, on average",
        "castle",
        Side({"scales": 1, "steps": 120}),
        style="night_swirls",
    ),
    "weights": Pair(
        "content weight 0.5; 8", "lion", Side({"content_weight": 0.5}), Side({"content_weight": 8.0}), "night_swirls"
    ),
    "strokes": Pair(
        "half as large; twice as large",
        "chelsea",
        Side({"style_scale": 0.5}),
        Side({"style_scale": 2.0}),
        "autumn_strokes",
    ),
    "style_loss": Pair(
        "Gram matrices; Wasserstein distance", "lion", Side(), Side({"style_loss": "wasserstein"}), "stained_glass"
    ),
}


def drawn(pair: Pair, make: Callable[[Request], ImageArray]) -> Image.Image:
    """Both pictures beside each other."""
    shown = Image.new("RGB", (2 * SIDE_PX + GAP_PX, SIDE_PX), "white")
    for index, side in enumerate((pair.off, pair.on)):
        with side.in_force():
            shown.paste(pair.cut(make(pair.request(side))), (index * (SIDE_PX + GAP_PX), 0))
    return shown


def made(request: Request) -> ImageArray:
    """The picture of a dream or a style."""
    image: ImageArray = result_of(run(request)).image
    return image


def main(names: Sequence[str] = tuple(PAIRS), folder: Path = FOLDER) -> None:
    """Writes the pairs of these names into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_whole(folder / f"{name}.webp", webp_bytes(drawn(PAIRS[name], made), PAIR_BYTES))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PAIRS, []], help="default: all")
    main(parser.parse_args().names or tuple(PAIRS))
