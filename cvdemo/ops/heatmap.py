"""Heat maps made visible: blurred, coloured, laid over their picture."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from cvdemo.images import ImageArray

HeatMap = npt.NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)

CAP_PERCENTILE = (
    99.5  # what lies above is shown as 1; D. Smilkov et al., "SmoothGrad", 2017, section 3.1, take the 99th
)
BLUR = 1 / 150  # standard deviation as a share of the side, 1.5 px of 224: single bright pixels are hard to see
SHOWN_PX = 320  # smaller maps are enlarged, pixel by pixel, to this or a little more


def blurred(heat: HeatMap) -> HeatMap:
    """(H, W) in [0, 1], blurred by `BLUR` and stretched again, from the least to the percentile of the cap."""
    soft = cv2.GaussianBlur(heat, (0, 0), BLUR * min(heat.shape))
    soft = soft - soft.min()
    cap = np.percentile(soft, CAP_PERCENTILE)
    stretched: HeatMap = (np.clip(soft / cap, 0, 1) if cap > 0 else soft).astype(np.float32)
    return stretched


def repeat_pixels(image: npt.NDArray[Number], side_px: int = SHOWN_PX) -> npt.NDArray[Number]:
    """(H, W) or (H, W, C), each pixel repeated so that the shorter side is at least `side_px`."""
    times = -(-side_px // min(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def colour_map(heat: HeatMap, palette: int = cv2.COLORMAP_TURBO) -> ImageArray:
    """(H, W) in [0, 1] -> uint8 (H, W, 3) RGB in one of OpenCV's palettes."""
    indices = (heat * 255).round().astype(np.uint8)
    colours: ImageArray = cv2.cvtColor(cv2.applyColorMap(indices, palette), cv2.COLOR_BGR2RGB)
    return colours


def overlay_heatmap(image: ImageArray, heat: HeatMap, strength: float = 0.6) -> ImageArray:
    """The picture with `heat` in [0, 1], (H, W), laid over it in the turbo colour map; cold parts stay as they are.

    Raises:
        ValueError: the sizes differ.
    """
    if heat.shape != image.shape[:2]:
        raise ValueError(f"sizes differ: picture {image.shape[:2]}, map {heat.shape}")
    alpha = (strength * heat)[..., None]
    blended = image * (1 - alpha) + colour_map(heat) * alpha
    result: ImageArray = blended.round().astype(np.uint8)
    return result
