"""Classes are matched by their names: those of training, validation, test, a checkpoint and a published weight.

The outputs of a network have the order of its training classes. Another part of the data may have the same classes in
another order, never other ones: a class that was renamed would be measured as its neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FEWEST = 2  # with one class there is nothing to tell apart
SHOWN = 20  # names in a message; more are counted


def check_classes(names: Sequence[str], where: str) -> None:
    """Makes sure that there is something to tell apart.

    Raises:
        ValueError: fewer than two classes, or two of one name.
    """
    if len(names) < FEWEST:
        raise ValueError(f"{where} has {len(names)} class ({shown(names)}); a classifier needs {FEWEST} or more")
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if list(names).count(name) > 1})
        raise ValueError(f"{where} has several classes named {shown(repeated)}")


def order_of(wanted: Sequence[str], whose: str, given: Sequence[str], where: str = "the data") -> npt.NDArray[np.int64]:
    """Index in `wanted` of each name in `given`.

    Args:
        wanted: classes in the order of a network's outputs. whose: network that is, for the error.
        given: the same classes in any order. where: they are, for the error.

    Raises:
        ValueError: they are not the same; both are listed.
    """
    if set(wanted) != set(given) or len(wanted) != len(given):
        unknown, missing = ([name for name in a if name not in set(b)] for a, b in ((given, wanted), (wanted, given)))
        apart = [f"{word} {shown(names)}" for word, names in (("unknown", unknown), ("missing", missing)) if names]
        raise ValueError(
            f"{whose} knows the classes {shown(wanted)}, {where} have {shown(given)}: {'; '.join(apart)}. Classes are "
            "matched by name: give both the same"
        )
    place = {name: index for index, name in enumerate(wanted)}
    return np.array([place[name] for name in given], np.int64)


def columns_in_order(logits: Tensor, own: Sequence[str], whose: str, wanted: Sequence[str]) -> Tensor:
    """Logits (N, K) of a network with classes `own`, in the order of `wanted`."""
    return logits[:, torch.from_numpy(order_of(own, whose, wanted))]


def shown(names: Sequence[str]) -> str:
    """Names in a message: as many as fit, the rest as a number."""
    more = len(names) - SHOWN
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {more} more" if more > 0 else "")
