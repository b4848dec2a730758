"""Where in a picture a dream may happen."""

import cv2
import numpy as np
import torch
from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_tensor

HALF = 128  # brushes have soft edges: from this value on a pixel is within
FEATHER = 1 / 24  # of the longer side: how far from its edge inwards the dream grows from nothing to all


def feathered(
    mask: ImageArray, picture_hw: tuple[int, int], size_hw: tuple[int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """(1, 1, *size_hw) in [0, 1]: exactly 0 outside the mask, growing inwards from its edge to 1.

    Args:
        mask: uint8 (H, W), 255 where to dream; of the picture's size.
        picture_hw: the picture's height and width in px.
        size_hw: of what is dreamed.

    Raises:
        InputError: the mask has another size than the picture, or nothing in it.
    """
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise ValueError(f"need a uint8 (H, W) mask, got {mask.dtype} {mask.shape}")
    if mask.shape != picture_hw:
        shapes = f"{mask.shape[1]} x {mask.shape[0]} px and the picture {picture_hw[1]} x {picture_hw[0]}"
        raise InputError(f"The mask has to be as large as the picture; it has {shapes}.")
    resized = cv2.resize(mask, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST)
    within = (resized >= HALF).astype(np.uint8)
    if not within.any():
        raise InputError("Nothing is marked in the mask: please mark where to dream.")
    if within.all():
        return torch.ones(1, 1, *size_hw, device=device)
    depth = cv2.distanceTransform(within, cv2.DIST_L2, cv2.DIST_MASK_5)
    share = np.clip(depth * (255 / (FEATHER * max(size_hw))), within, 255)  # 1 of 255 at least, where it is within
    return to_tensor(share.astype(np.uint8)[..., np.newaxis], device)


def mask_from_picture(picture: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """A mask, uint8 (H, W) of a size, from a picture (h, w, 3) of it: bright where to dream. It is stretched to fit."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
