"""A weights folder in which untrained fast networks stand beside the project's own super-resolution networks.

`python -m tests.helpers.untrained_upscale_weights DIR` makes one.
`CVDEMO_WEIGHTS=DIR python app.py` shows the page with it.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.weights import WEIGHTS_DIR
from tests.helpers.untrained_weights import entry

SIZES: dict[str, Any] = {"width": 8, "depth": 1}


def add_fast(folder: Path, scales: Sequence[int] = (2, 3, 4), photo_scales: Sequence[int] = ()) -> Path:
    """Fills `folder` with all of the project's weights but its fast networks, and untrained ones.

    Args:
        scales: of those that are made.
        photo_scales: of those for photographs.
    """
    shutil.copytree(WEIGHTS_DIR, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    weights = {name: found for name, found in manifest["weights"].items() if found["network"]["name"] != "fast_srcnn"}
    made: list[tuple[str, int, dict[str, str]]] = [(f"srcnn_fast_x{scale}", scale, {}) for scale in scales]
    made += [(f"srcnn_photo_x{scale}", scale, {"made_for": "jpeg"}) for scale in photo_scales]
    for name, scale, more in made:
        data = save(untrained(scale, seed=scale + 10 * len(more)).state_dict())
        (folder / f"{name}.safetensors").write_bytes(data)
        bicubic = weights[f"srcnn_x{scale}"]["metric"]["value"]["set5_bicubic"]
        weights[name] = entry(
            name,
            {"name": "fast_srcnn", "scale": scale, **SIZES},
            data,
            task="upscale",
            preprocessing={"scale": scale, "input": "Y of BT.601 in [16, 235] / 255", **more},
            labels=None,
            metric={"name": "PSNR on Y, dB", "value": {"set5": 37.12, "set5_bicubic": bicubic}, "command": "none"},
        )
    path.write_text(json.dumps({**manifest, "weights": weights}), encoding="utf-8")
    return folder


def untrained(scale: int, seed: int) -> FastSRCNN:
    """A network that visibly changes the picture."""
    torch.manual_seed(seed)
    network = FastSRCNN(scale, **SIZES)
    torch.nn.init.normal_(network.last.weight, std=0.03)
    return network


if __name__ == "__main__":
    add_fast(Path(sys.argv[1]))
