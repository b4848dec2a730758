"""A weights folder with an untrained network of the instant style beside the project's own weights.

`python -m tests.helpers.instant_weights DIR` makes one, for a look at the page: `CVDEMO_WEIGHTS=DIR python app.py`.
"""

import inspect
import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import save

from cvdemo import weights
from cvdemo.runtime import load_once
from cvdemo.style import feed_forward
from cvdemo.style.feed_forward import INSTANT
from tests.helpers.painters import SPEC, loud_style_net
from tests.helpers.untrained_weights import entry

OWN = weights.WEIGHTS_DIR


def add_instant(folder: Path) -> Path:
    """Fills `folder` with the project's weights, as links, and an untrained network that repaints; returns it."""
    without_instant(folder)
    data = save(loud_style_net().state_dict())
    (folder / f"{INSTANT}.safetensors").write_bytes(data)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["weights"][INSTANT] = entry(INSTANT, SPEC, data, task="style", preprocessing={}, labels=None)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def without_instant(folder: Path) -> Path:
    """Fills `folder` with the project's weights, as links, but for the network that repaints; returns it."""
    folder.mkdir(parents=True)
    for source in OWN.iterdir():
        if source.stem != INSTANT and source.name != "manifest.json":
            (folder / source.name).symlink_to(source)
    manifest = json.loads((OWN / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"].pop(INSTANT, None)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights come from `folder` until the test ends, and no painter of another folder is kept."""
    monkeypatch.setattr(weights, "WEIGHTS_DIR", folder)
    monkeypatch.setattr(feed_forward, "_load_painter", load_once(inspect.unwrap(feed_forward._load_painter)))


if __name__ == "__main__":
    add_instant(Path(sys.argv[1]))
