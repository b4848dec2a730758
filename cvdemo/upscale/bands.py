"""Super-resolution on the CPU: ONNX Runtime, on horizontal bands of a tile, so that it never holds much.

The networks are without padding here, with height and width open, as tiles that carry their halo need. ONNX Runtime
takes two thirds of torch's time for 9-5-5 and a little less than torch's for `FastSRCNN` (`python -m bench.upscale`;
the README has a table), so it is the engine there for both.
"""

import torch
from torch import Tensor

from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.srcnn import SRCNN

LUMINANCE = ("batch", 1, "height", "width")
BAND_PX = 512 * 512  # of input in one run: 9-5-5 holds 100 MB for it


def inner_method(network: SRCNN | FastSRCNN) -> str:
    """The method that works on a tile with its halo, (1, 1, H + 2 halo, W + 2 halo)."""
    return "restore_inner" if isinstance(network, SRCNN) else "detail_inner"


def onnx_engine(network: SRCNN | FastSRCNN, threads: int | None = None) -> Engine:
    """The network on the CPU by ONNX Runtime: (1, 1, H + 2 halo, W + 2 halo) -> (1, 1, H, W), or times the scale.

    Args:
        threads: None: as many as the process began with.
    """
    run = forward_engine(network, inner_method(network), shape=LUMINANCE, threads=threads)
    return lambda x: torch.cat([run(band) for band in bands(x, network.halo_px)], dim=2)


def bands(x: Tensor, halo_px: int) -> list[Tensor]:
    """Horizontal parts of (B, 1, H, W), each with `halo_px` rows of its neighbours: of `BAND_PX`, or one row more."""
    height, width = x.shape[-2:]
    rows = max(1, BAND_PX // width - 2 * halo_px)
    return [x[..., top : top + rows + 2 * halo_px, :] for top in range(0, height - 2 * halo_px, rows)]
