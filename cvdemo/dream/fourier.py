"""A gradient whose frequencies are weighted as those of natural pictures are.

C. Olah, A. Mordvintsev and L. Schubert, "Feature Visualization", Distill 2017, optimise the Fourier coefficients of a
picture, each times 1 / frequency, in decorrelated colours. A step of plain ascent there moves the pixels along the
gradient with its spectrum times that scale twice. Their optimiser, Adam, takes steps of about one size in every
coefficient, which leaves the scale once. So it is written here as what is done to a gradient: its spectrum times the
scale. This starts from any picture and needs no state. With the scale twice, dreams were blurred.
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
    """(1, C, H, W) with each coefficient of its spectrum times `frequency_scale`."""
    size_hw = (gradient.shape[-2], gradient.shape[-1])
    scale = frequency_scale(size_hw).to(gradient.device)
    spectrum = torch.fft.rfft2(gradient).mul_(scale)
    natural: Tensor = torch.fft.irfft2(spectrum, s=size_hw)
    return natural
