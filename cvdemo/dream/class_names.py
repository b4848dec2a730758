"""The classes that a dream can be asked for: the network's 1,000 of ImageNet, by name."""

from difflib import get_close_matches
from functools import lru_cache

from cvdemo.errors import InputError, brief
from cvdemo.nets.backbone import BACKBONE
from cvdemo.weights import load_labels

NEAR_NAMES = 4  # in a message: enough to find a slip, few enough to read


@lru_cache(maxsize=1)
def class_labels() -> tuple[str, ...]:
    """The names in the order of the network's logits."""
    return tuple(load_labels(BACKBONE))


@lru_cache(maxsize=1)
def _by_key() -> dict[str, str]:
    """The names by what they are in lower case."""
    return {label.casefold(): label for label in class_labels()}


def class_named(text: str) -> str:
    """The whole name of the class that `text` is, or begins; capitals do not count.

    Raises:
        InputError: no class begins so, or several do; the sentence lists near names, or those that do.
    """
    wanted = " ".join(text.casefold().split())
    by_key = _by_key()
    if wanted in by_key:
        return by_key[wanted]
    begun = [label for key, label in by_key.items() if key.startswith(wanted)] if wanted else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise InputError(f"Several classes begin with {brief(text)}: {_listed(begun)}. Please write one in full.")
    near = _near(wanted, list(by_key))
    hint = f"Near it: {_listed([by_key[key] for key in near])}." if near else "They are ImageNet's, such as peacock."
    raise InputError(f"The network knows no class {brief(text)}. {hint}")


def _near(wanted: str, keys: list[str]) -> list[str]:
    """Names with the wanted word in them, then those written alike."""
    within = [key for key in keys if wanted and wanted in key]
    return list(dict.fromkeys([*within, *get_close_matches(wanted, keys, NEAR_NAMES, 0.6)]))[:NEAR_NAMES]


def _listed(labels: list[str]) -> str:
    more = f" and {len(labels) - NEAR_NAMES} more" if len(labels) > NEAR_NAMES else ""
    return ", ".join(labels[:NEAR_NAMES]) + more
