"""Flowers by a linear classifier on features of the backbone: 102 kinds that grow in Britain, ten pictures of each.

M.-E. Nilsback and A. Zisserman, "Automated Flower Classification over a Large Number of Classes", ICVGIP 2008.
`--block` says which layer of the backbone gives the features, `--classifier` whether logistic regression or a linear
support vector machine learns from them; docs/how-to/choose-features.md has what to choose when.

`--data DIR` holds the folder `jpg` and the files `imagelabels.mat` and `setid.mat` of
robots.ox.ac.uk/~vgg/data/flowers/102; `--download` fetches them. The splits are the official ones: 1,020 pictures to
train on, 1,020 that choose the strength of L2, 6,149 to test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat  # scikit-learn brings SciPy
from torchvision.datasets import Flowers102

from train.classify.features import FeatureConfig
from train.classify.transfer_data import TransferData
from train.classify.transfer_recipe import TransferRecipe
from train.data.picture_files import check_folder
from train.data.read_pictures import Listing

_IDS = {"train": "trnid", "validation": "valid", "test": "tstid"}  # in setid.mat; pictures count from 1
_NOTES = """
Names one of 102 flowers and nothing else. The file holds only a classifier; the backbone is efficientnet_lite0, which
learned a handful of flowers from ImageNet.
"""


def read(data: Path, split: str) -> Listing:
    """The files of an official split.

    Raises:
        NotADirectoryError: `data` is a file.
        FileNotFoundError: the files with labels and splits, or pictures of the split, are not there.
    """
    check_folder(data)
    for name in ("imagelabels.mat", "setid.mat"):
        if not (data / name).is_file():
            raise FileNotFoundError(f"no {data / name}: DIR holds jpg, imagelabels.mat and setid.mat")
    labels = loadmat(data / "imagelabels.mat", squeeze_me=True)["labels"].astype(np.int64) - 1
    numbers = np.sort(loadmat(data / "setid.mat", squeeze_me=True)[_IDS[split]])
    files = [data / "jpg" / f"image_{number:05d}.jpg" for number in numbers]
    if missing := [path for path in files if not path.is_file()]:
        raise FileNotFoundError(f"no {missing[0]}, and {len(missing) - 1} more pictures are missing")
    return Listing(files, labels[numbers - 1], list(Flowers102.classes))


FLOWERS = TransferData(
    name="Oxford 102 Flowers (Nilsback and Zisserman 2008)",
    licence="Apache-2.0 for the weights; the pictures are their makers', for research",
    read=read,
    labels="flowers102.txt",
    classes=102,
    test_split="official test pictures",
    total=8_189,
    ten_crop=False,
    where="DIR holds jpg, imagelabels.mat and setid.mat of robots.ox.ac.uk/~vgg/data/flowers/102; see --download",
    official="flowers",
)


@dataclass(frozen=True, kw_only=True)
class FlowersConfig(FeatureConfig):
    """Hyper-parameters; each is an option on the command line."""

    batch_size: int = 250
    epochs: int = 60
    l2: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


RECIPE = TransferRecipe(
    name="flowers-features",
    weight="flowers_features",
    data=FLOWERS,
    config=FlowersConfig,
    notes=_NOTES,
    goal="a number to set beside those of docs/how-to/choose-features.md; not run yet",
    dry_run={"input_px": 32, "batch_size": 8},
)
