"""A weights folder of small untrained networks: one of each kind that the Classify tab offers, and an ensemble.

`python -m tests.helpers.untrained_weights DIR` makes one, for a look at the page: `CVDEMO_WEIGHTS=DIR python app.py`.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from cvdemo.nets.build import build_network
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS
from cvdemo.weights import WEIGHTS_DIR

THINGS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
GARMENTS = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
SMALL = {"input_px": 32, "resize_px": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
GREY = {"input_px": 28, "resize_px": 28, "mean": [0.3], "std": [0.3], "interpolation": "bilinear", "colour": "grey"}
FAST = {"name": "fast_resnet", "num_classes": 10, "widths": [16, 24, 24], "depth": 2}


def entry(name: str, network: dict[str, Any], data: bytes, **fields: Any) -> dict[str, Any]:
    """A manifest entry for a file of these bytes; `fields` take precedence."""
    return {
        "file": f"{name}.safetensors",
        "task": "classify",
        "network": network,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "preprocessing": SMALL,
        "labels": "things.txt",
        "recipe": name,
        "command": f"python -m train {name}",
        "dataset": "CIFAR-10 (Krizhevsky 2009), 50,000 training pictures",
        "licence": "Apache-2.0",
        "seed": 0,
        "hardware": "none",
        "hours": 0.0,
        "metric": {"name": "accuracy", "value": {"rank1": 94.31, "rank5": 99.8}, "split": "test", "n": 10000}
        | {"protocol": "none", "command": "none"},
    } | fields


def randomised(spec: dict[str, Any], seed: int) -> nn.Module:
    """The network with weights large enough for its answers to differ from picture to picture."""
    torch.manual_seed(seed)
    network = build_network(spec)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.5)
    return network.eval()


def make_weights(folder: Path) -> Path:
    """Fills `folder` with the ImageNet network, four untrained ones and an ensemble of two; returns it."""
    (folder / "labels").mkdir(parents=True)
    real = json.loads((WEIGHTS_DIR / "manifest.json").read_text(encoding="utf-8"))["weights"]["efficientnet_lite0"]
    shutil.copy(WEIGHTS_DIR / real["file"], folder)
    shutil.copy(WEIGHTS_DIR / "labels" / real["labels"], folder / "labels")
    (folder / "labels" / "things.txt").write_text("\n".join(THINGS) + "\n", encoding="utf-8")
    (folder / "labels" / "garments.txt").write_text("\n".join(GARMENTS) + "\n", encoding="utf-8")
    (folder / "labels" / "pets.txt").write_text("cat\ndog\n", encoding="utf-8")
    entries = {"efficientnet_lite0": real}

    def add(name: str, network: dict[str, Any], tensors: dict[str, torch.Tensor], **fields: Any) -> None:
        data = save({key: tensor.contiguous() for key, tensor in tensors.items()})
        (folder / f"{name}.safetensors").write_bytes(data)
        entries[name] = entry(name, network, data, **fields)

    mini = {"name": "mini_googlenet", "num_classes": 10}
    clothes = {"preprocessing": GREY | {"ground": "dark"}, "labels": "garments.txt", "dataset": "Fashion-MNIST, 2017"}
    lite = {"name": "efficientnet_lite", "num_classes": 2, "base": "efficientnet_lite0"}
    generator = torch.Generator().manual_seed(5)
    head = {"classifier.weight": torch.randn(2, HEAD_CHANNELS, generator=generator), "classifier.bias": torch.zeros(2)}
    pets = {"preprocessing": real["preprocessing"], "labels": "pets.txt", "dataset": "Dogs vs. Cats, 2013"}
    add("cifar10", FAST, randomised(FAST, 1).state_dict())
    add("cifar10_mini", mini, randomised(mini, 2).state_dict())
    add("clothes", {"name": "lenet5"}, randomised({"name": "lenet5"}, 3).state_dict(), **clothes)
    add("pets", lite, {key: tensor.half() for key, tensor in head.items()}, **pets)
    metric = {"name": "accuracy", "value": {"rank1": 95.2}, "split": "test", "n": 10000, "command": "none"}
    members = ["cifar10", "cifar10_mini"]
    digests = {name: entries[name]["sha256"] for name in members}
    ensembles = {"cifar10_ensemble": {"members": members, "sha256": digests, "metric": metric}}
    manifest = {"hub": None, "weights": entries, "ensembles": ensembles}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return folder


if __name__ == "__main__":
    make_weights(Path(sys.argv[1]))
