"""Other light, cameras and copies of a picture: grey, contrast, blur, noise, few pixels, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from train.data.read_pictures import Pictures

GREY_SHARE = 0.4  # of the pictures lose their colour: half of what is measured has none
BLUR_SHARE, NOISE_SHARE, COARSE_SHARE, JPEG_SHARE = 0.25, 0.3, 0.2, 0.2
MOST_BLUR_PX, MOST_NOISE, COARSEST, WORST_JPEG = 1.6, 20.0, 0.4, 25  # sigma, grey levels, factor, quality


def other_light(canvas: Pictures, rng: np.random.Generator) -> Pictures:
    """uint8 (H, W, 3) as it might look under other light, from another camera, in another copy; boxes stay."""
    if rng.random() < GREY_SHARE:
        canvas = np.repeat(cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    canvas = _toned(canvas, rng)
    if rng.random() < COARSE_SHARE:
        canvas = _coarse(canvas, rng.uniform(COARSEST, 0.9))
    if rng.random() < BLUR_SHARE:
        canvas = _blurred(canvas, rng.uniform(0.4, MOST_BLUR_PX))
    if rng.random() < NOISE_SHARE:
        canvas = _noisy(canvas, rng)
    if rng.random() < JPEG_SHARE:
        canvas = _stored(canvas, int(rng.integers(WORST_JPEG, 90)))
    return np.ascontiguousarray(canvas)


def _toned(canvas: Pictures, rng: np.random.Generator) -> Pictures:
    """Brightness, contrast, gamma and the balance of colours changed, by one table a channel."""
    contrast, gamma = np.exp(rng.normal(0, 0.3)), np.exp(rng.normal(0, 0.25))
    middle, shift = rng.uniform(90, 160), rng.normal(0, 18)
    levels = 255 * (np.arange(256) / 255) ** gamma
    levels = (levels - middle) * min(contrast, 1.6) + middle + shift
    gains = np.exp(rng.normal(0, 0.05, 3))
    tables = (levels[:, None] * gains).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(canvas, tables[None]), np.uint8)


def _blurred(canvas: Pictures, sigma_px: float) -> Pictures:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma_px), np.uint8)


def _stored(canvas: Pictures, quality: int) -> Pictures:
    """As a JPEG gives it back."""
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _coarse(canvas: Pictures, factor: float) -> Pictures:
    """As if it had been taken with fewer pixels."""
    height, width = canvas.shape[:2]
    small = cv2.resize(canvas, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _noisy(canvas: Pictures, rng: np.random.Generator) -> Pictures:
    """With the noise of a film or a scan, alike in all colours, of grains one px or coarser."""
    height, width = canvas.shape[:2]
    noise = rng.standard_normal((height, width), np.float32)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.7) * 2.2  # blurred to 1 / 2.2 of its strength
    noise *= rng.uniform(2, MOST_NOISE)
    noisy: Pictures = (canvas + noise[..., None]).clip(0, 255).astype(np.uint8)
    return noisy
