"""The super-resolution networks to choose from: every weight of the manifest whose task is "upscale", by scale.

Read from the manifest alone; no network is loaded for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvdemo.errors import InputError, WeightsError, brief
from cvdemo.weights import WeightEntry, load_manifest

SCALES = (2, 3, 4)
AUTO = "auto"  # by the file that the picture came in, see `network_named`
FAST = "fast"  # the public name of `fast_srcnn` on the page, in the API and on the command line
PHOTO = "photo"  # the same, trained on JPEG pictures
DAMAGED_UP_TO = 90  # quality of JPEG; on held-out pictures "photo" leads by 0.15 dB at 90, "fast" by 0.2 at 93
JPEG = "jpeg"  # in the manifest: what the network was made for
_ORDER = (FAST, PHOTO)  # then the others, as they stand in the manifest


@dataclass(frozen=True, kw_only=True)
class UpscaleChoice:
    """One network for one scale.

    Attributes:
        value: short and stable, for links, the API and the command line: "fast", "photo", or SRCNN's kernels, "9-5-5".
        title: for people.
        weight: name in the manifest.
        scale: 2, 3 or 4.
        psnr, bicubic_psnr: on Set5 in dB, as the manifest has them; None where it does not.
    """

    value: str
    title: str
    weight: str
    scale: int
    psnr: float | None
    bicubic_psnr: float | None

    @property
    def kind(self) -> str:
        """For anybody, in a word or three."""
        return {AUTO: "Automatic", FAST: "Quick", PHOTO: "For photographs"}.get(self.value, "Classic of 2014")

    @property
    def words(self) -> str:
        """For anybody: its kind, and how much nearer to the true picture it comes than bicubic does."""
        if self.value == PHOTO:  # Set5 is no photograph of a phone: how near it comes there would tell the wrong thing
            return "For photographs from a phone or the web"
        kind = self.kind if self.value in (AUTO, FAST) else f"{self.kind}, slower"
        if self.psnr is None or self.bicubic_psnr is None:
            return kind
        return f"{kind}: {less_error(self.psnr - self.bicubic_psnr)}"


def less_error(gain_db: float) -> str:
    """In words how much mean squared error a gain in PSNR takes away, or a loss adds."""
    left = 10 ** (-gain_db / 10)
    return f"{100 * (1 - left):.0f} % less error" if left <= 1 else f"{100 * (left - 1):.0f} % more error"


def list_networks(scale: int, weights_dir: Path | None = None) -> dict[str, UpscaleChoice]:
    """The networks for one scale by value, "fast" and "photo" first; of two with one value the manifest's first.

    Raises:
        ValueError: no such scale.
        WeightsError: the manifest is missing or damaged.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {list(SCALES)}, got {brief(scale)}")
    found = [
        _choice(name, entry, scale)
        for name, entry in load_manifest(weights_dir).items()
        if entry.task == "upscale" and entry.preprocessing.get("scale") == scale
    ]
    first: dict[str, UpscaleChoice] = {}
    for choice in sorted(found, key=lambda choice: _place(choice.value)):
        first.setdefault(choice.value, choice)
    return first


def network_named(
    scale: int, value: str = AUTO, weights_dir: Path | None = None, *, jpeg_quality: int | None = None
) -> UpscaleChoice:
    """The network of that value for the scale; "auto" is that for photographs where JPEG did damage, else another.

    Args:
        jpeg_quality: of the file that the picture came in, see `cvdemo.picture_files.jpeg_quality`; None: another kind.

    Raises:
        ValueError: no such scale.
        InputError: the scale has no network of that value.
        WeightsError: the manifest is missing or damaged, or has no network for the scale.
    """
    networks = list_networks(scale, weights_dir)
    if not networks:
        raise WeightsError(f"There is no weight for upscaling by {scale}; the manifest lists no srcnn_x{scale}.")
    if value == AUTO:
        fitting = [choice for choice in networks.values() if (choice.value == PHOTO) == is_damaged(jpeg_quality)]
        return (fitting or list(networks.values()))[0]
    if value not in networks:
        raise InputError(
            f"For scale {scale} the networks are {', '.join(networks)}, not {brief(value)}: choose one of them."
        )
    return networks[value]


def is_damaged(jpeg_quality: int | None) -> bool:
    """Whether JPEG has damaged a file of this quality so much that "auto" takes the network for photographs."""
    return jpeg_quality is not None and jpeg_quality <= DAMAGED_UP_TO


def networks_or_default(scale: int) -> dict[str, UpscaleChoice]:
    """`list_networks`, or "auto" alone where there are none or the manifest cannot be read: using it then says why."""
    automatic = UpscaleChoice(value=AUTO, title="Automatic", weight="", scale=scale, psnr=None, bicubic_psnr=None)
    try:
        return list_networks(scale) or {AUTO: automatic}
    except WeightsError:
        return {AUTO: automatic}


def _choice(name: str, entry: WeightEntry, scale: int) -> UpscaleChoice:
    if entry.network["name"] == "fast_srcnn":
        value = PHOTO if entry.preprocessing.get("made_for") == JPEG else FAST
    else:
        value = "-".join(str(kernel) for kernel in entry.network["kernels"])
    return UpscaleChoice(
        value=value,
        title={FAST: "Fast, ours", PHOTO: "For photographs, ours"}.get(value, f"SRCNN {value}"),
        weight=name,
        scale=scale,
        psnr=_on_set5(entry.metric, "set5"),
        bicubic_psnr=_on_set5(entry.metric, "set5_bicubic"),
    )


def _place(value: str) -> int:
    return _ORDER.index(value) if value in _ORDER else len(_ORDER)


def _on_set5(metric: Mapping[str, Any], key: str) -> float | None:
    value = metric.get("value")
    psnr = value.get(key) if isinstance(value, Mapping) else None
    return float(psnr) if isinstance(psnr, int | float) else None


_VALUES = {value for scale in SCALES for value in networks_or_default(scale)} - {AUTO}
NETWORKS = (AUTO, *sorted(_VALUES, key=lambda value: (_place(value), value)))  # "auto" and the networks of any scale
