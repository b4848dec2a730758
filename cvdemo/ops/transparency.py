"""Transparent pictures made ready for enlarging: colour for the pixels that hardly anybody sees."""

import cv2
import numpy as np

from cvdemo.images import ImageArray

VISIBLE_ALPHA = 16  # of 255; premultiplied, fewer than 16 steps of colour are left below it


def fill_hidden(image: ImageArray) -> ImageArray:
    """uint8 (H, W, 4) RGBA with the colour of the nearest visible pixel under every one whose alpha is below 16 of 255.

    Editors leave black there, or what rounding made of the colour. Bicubic and convolutions would draw it into the
    edge of what is visible, as a dark fringe. Alpha is as it was; a picture with nothing visible comes back as it is.

    Raises:
        ValueError: no alpha.
    """
    if image.ndim != 3 or image.shape[2] != 4:
        raise ValueError(f"need (H, W, 4), got {image.shape}")
    visible = image[..., 3] >= VISIBLE_ALPHA
    if visible.all() or not visible.any():
        return image
    hidden = (~visible).astype(np.uint8)
    labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    colours = np.zeros((labels.max() + 1, 3), np.uint8)  # a label is the number of a visible pixel
    colours[labels[visible]] = image[visible, :3]
    return np.dstack([colours[labels], image[..., 3]])
