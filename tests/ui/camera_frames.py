"""Frames of a camera, as bytes."""

import io

from PIL import Image

from cvdemo.images import ImageArray


def jpeg_of(picture: ImageArray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="JPEG")
    return data.getvalue()
