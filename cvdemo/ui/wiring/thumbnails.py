"""Small pictures inside HTML: nothing is fetched for them, and nothing has to be kept on the disk."""

import base64
import io

from PIL import Image

from cvdemo.images import ImageArray, resize_to_fit


def thumbnail(picture: ImageArray, side_px: int) -> bytes:
    """A JPEG of the picture, uint8 (H, W, 3) RGB, whose longer side has so many pixels at most."""
    data = io.BytesIO()
    Image.fromarray(resize_to_fit(picture, side_px)).save(data, format="JPEG", quality=80)
    return data.getvalue()


def source_of(jpeg: bytes) -> str:
    """What stands in the `src` of an `<img>`."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
