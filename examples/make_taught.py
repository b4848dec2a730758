"""Draws the pictures of the Teach example: `python examples/make_taught.py [FOLDER]`.

Three kinds of the drawings of `make_styles.py`, each several times from other seeds: they share a manner and no line.
The last of each kind is not taught: it is there to be tried.
"""

import sys
from pathlib import Path

from make_styles import draw

KINDS = ("stained_glass", "woodcut_waves", "ink_wash")
SEEDS = range(11, 17)  # not 7, that of the style pictures
SIDE_PX = 224  # what the network sees
QUALITY = 75
FOLDER = Path(__file__).parent / "taught"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        for seed in SEEDS:
            path = folder / f"{kind}_{seed}.jpg"
            draw(kind, seed).resize((SIDE_PX, SIDE_PX)).save(path, quality=QUALITY, optimize=True)
            print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
