"""Teaches the head of the Teach example from its drawings: `python -m examples.make_head [FILE]`.

It is there for programs that try `/classify_taught`. A new backbone needs a new one: features of another are refused.
"""

import sys
from pathlib import Path

from cvdemo.classify.taught_head import save_head
from cvdemo.classify.teach import TeachRequest, read_reduced
from cvdemo.demo import result_of
from cvdemo.demos import run

KINDS = {"stained glass": "stained_glass", "waves": "woodcut_waves", "ink": "ink_wash"}  # as on the page
SEEDS = range(11, 16)  # the last drawing, 16, is there to be tried
FOLDER = Path(__file__).parent / "taught"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER / "head.safetensors"
    pictures = tuple(
        tuple(read_reduced((FOLDER / f"{kind}_{seed}.jpg").read_bytes()) for seed in SEEDS) for kind in KINDS.values()
    )
    taught = result_of(run(TeachRequest(labels=tuple(KINDS), pictures=pictures)))
    path.write_bytes(save_head(taught.head))
    print(f"{path}: {path.stat().st_size // 1000} kB. {taught.in_words}")


if __name__ == "__main__":
    main()
