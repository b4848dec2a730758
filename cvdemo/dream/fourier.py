"""A gradient whose frequencies are weighted as those of natural pictures are.

C. Olah, A. Mordvintsev and L. Schubert, "Feature Visualization", Distill 2017, optimise the Fourier coefficients of a
picture, each times 1 / frequency, in decorrelated colours. One step of gradient ascent there moves the pixels along the
gradient with its spectrum multiplied by that scale twice; so it is written here as what is done to a gradient, which
starts from any picture and needs no state. Departure: plain ascent instead of Adam.
"""

import torch
from torch import Tensor


def frequency_scale(size_hw: tuple[int, int]) -> Tensor:
    """(H, W // 2 + 1): 1 / frequency in cycles a pixel, that of one cycle over the longer side for those below it."""
    rows = torch.fft.fftfreq(size_hw[0])[:, None]
    cols = torch.fft.rfftfreq(size_hw[1])[None, :]
    frequencies: Tensor = (rows.square() + cols.square()).sqrt()
    return frequencies.clamp(min=1 / max(size_hw)).reciprocal()


def natural_spectrum(gradient: Tensor) -> Tensor:
    """(1, C, H, W) with each coefficient of its spectrum times the square of `frequency_scale`."""
    size_hw = (gradient.shape[-2], gradient.shape[-1])
    scale = frequency_scale(size_hw).to(gradient.device)
    spectrum = torch.fft.rfft2(gradient).mul_(scale).mul_(scale)
    natural: Tensor = torch.fft.irfft2(spectrum, s=size_hw)
    return natural
