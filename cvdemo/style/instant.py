"""The instant style of all pictures of a request: a result of its own, or where an optimisation begins.

The weight may be missing. Then `cvdemo.style.feed_forward.instant_offered` is false, nobody is offered a choice that
needs it, and what asks for it all the same is told so.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline
from cvdemo.style.config import StyleConfig
from cvdemo.style.feed_forward import InstantConfig, Painter, PreparedStyle, load_painter
from cvdemo.style.pictures import StylePictures, Weighted

FIRST_PX = 512  # longer side of the instant picture that an optimisation refines: there in half a second on one core
KEPT_STYLES = 8  # prepared ones in memory, 1 to 5 MB each


def instant_picture(
    pictures: StylePictures, config: InstantConfig, painter: Painter, deadline: Deadline | None = None
) -> ImageArray:
    """The content in the manner of its styles, uint8 (H, W, 3) with `config.size` on its longer side.

    With a mask it is painted once for each of its two styles.

    Raises:
        InputError: a picture is too narrow, or nobody waits for it any more.
    """
    prepared = [prepare(region, config, painter) for region in pictures.regions]
    painted = [each.paint(pictures.content, deadline=deadline) for each in prepared]
    if pictures.mask is None:
        return painted[0]
    height, width = painted[0].shape[:2]
    mask = Image.fromarray(pictures.mask).resize((width, height), Image.Resampling.BOX)
    first, second = map(Image.fromarray, painted)
    blended: ImageArray = np.array(Image.composite(second, first, mask))
    return blended


def first_picture(pictures: StylePictures, config: StyleConfig, device: str, deadline: Deadline) -> ImageArray:
    """What an optimisation with these settings refines: the instant style, `FIRST_PX` at most.

    Raises:
        InputError: a picture is too narrow, or nobody waits for it any more.
        WeightsError: there is no instant style here, or its file is missing or altered.
    """
    return instant_picture(pictures, instant_config(config, min(FIRST_PX, config.size)), load_painter(device), deadline)


def instant_config(config: StyleConfig, size: int) -> InstantConfig:
    """The settings that the instant style shares with the optimisation."""
    return InstantConfig(
        size=size, strength=config.strength, style_scale=config.style_scale, keep_colours=config.keep_colours
    )


class _KeptStyles:
    """The styles that were prepared last: frames of a camera come as requests of their own, all with one style."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: OrderedDict[tuple[object, ...], PreparedStyle] = OrderedDict()

    def get(self, styles: Sequence[Weighted[ImageArray]], config: InstantConfig, painter: Painter) -> PreparedStyle:
        key = (id(painter), config, *((_digest(style), style.shape, weight) for style, weight in styles))
        with self._lock:
            found = self._by_key.get(key)
        if found is None:
            found = PreparedStyle.mixed(styles, config, painter)
        with self._lock:
            self._by_key[key] = found
            self._by_key.move_to_end(key)
            while len(self._by_key) > KEPT_STYLES:
                self._by_key.popitem(last=False)
        return found


_kept = _KeptStyles()


def prepare(styles: Sequence[Weighted[ImageArray]], config: InstantConfig, painter: Painter) -> PreparedStyle:
    """`PreparedStyle.mixed`, or what it gave for the same pictures and settings a while ago.

    Raises:
        ValueError, InputError: as there.
    """
    return _kept.get(styles, config, painter)


def _digest(image: ImageArray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
