"""A classifier as a sliding-window scorer: dense over a whole picture, or crop by crop as the oracle.

P. Sermanet et al., "OverFeat: Integrated Recognition, Localization and Detection using Convolutional Networks", ICLR
2014, section 3.3: convolutions are shared between overlapping windows and the classifier becomes a 1x1 convolution.
Dense and cropped scores are equal when nothing is padded (a test, to 1e-5); with zero padding a window of the dense
pass sees its neighbours where its crop sees zeros.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.efficientnet_lite import TOTAL_STRIDE, EfficientNetLite
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.onnx_trace import MAPS
from cvdemo.ops.boxes import axis_starts


class DenseWindows(nn.Module):
    """(B, C, h, w) features -> (B, K, rows, columns): the logits of every window of `cells` x `cells` features."""

    def __init__(self, classifier: nn.Linear, cells: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.cells = cells
        self.eval()

    def forward(self, features: Tensor) -> Tensor:
        pooled = F.avg_pool2d(features, self.cells, stride=1)
        return F.conv2d(pooled, self.classifier.weight[:, :, None, None], self.classifier.bias)


@dataclass(frozen=True)
class WindowNet:
    """A trunk that shrinks pictures by `stride_px`, the mean over a window's features, and a linear classifier.

    Attributes:
        trunk: (B, 3, H, W) normalised pixels -> (B, C, h, w) features.
        classifier: C features -> K logits.
        window_px: side of a window. cells: side of its features, trunk(window).shape[-1].
        stride_px: between windows, and between the centres of cells.
        dense: what `DenseWindows` does, by another engine; None: that itself.
    """

    trunk: Callable[[Tensor], Tensor]
    classifier: nn.Linear
    window_px: int
    stride_px: int
    cells: int
    dense: Engine | None = None

    def crop_logits(self, crops: Tensor) -> Tensor:
        """(B, 3, window_px, window_px) -> (B, K): each crop on its own."""
        logits: Tensor = self.classifier(self.trunk(crops).mean(dim=(2, 3)))
        return logits

    def window_logits(self, features: Tensor) -> Tensor:
        """(1, C, h, w) features of a whole picture -> (K, rows, columns): every window's logits at once."""
        return (self.dense or DenseWindows(self.classifier, self.cells))(features)[0]

    def evidence(self, features: Tensor, class_index: int) -> Tensor:
        """(1, C, h, w) -> (h, w): how much each cell speaks for a class more than for the average class.

        The class activation map of Zhou et al. 2016, equation 2, less the mean over classes, which softmax ignores.
        """
        weight = self.classifier.weight
        return torch.einsum("c,chw->hw", weight[class_index] - weight.mean(dim=0), features[0])


def crop_batches(net: WindowNet, pixels: Tensor, batch: int = 32) -> Iterator[Tensor]:
    """Every window of (1, 3, H, W), normalised, cut out and classified: (n, K) logits, n <= `batch`, row by row.

    The slow, obviously right way that `window_logits` is held against.
    """
    tops, lefts = (axis_starts(length, net.window_px, net.stride_px) for length in pixels.shape[-2:])
    corners = [(y, x) for y in tops for x in lefts]
    side = net.window_px
    for i in range(0, len(corners), batch):
        crops = torch.cat([pixels[..., y : y + side, x : x + side] for y, x in corners[i : i + batch]])
        yield net.crop_logits(crops)


def lite_windows(network: EfficientNetLite, window_px: int, trunk: Engine | None = None) -> WindowNet:
    """EfficientNet-Lite over windows of `window_px` (a multiple of 32) at its own stride, 32 px.

    Args:
        trunk: what runs `network.maps`, and then the windows' scores run by the same engine; None: the network itself.

    Raises:
        ValueError: the window is no multiple of the stride.
    """
    if window_px % TOTAL_STRIDE or window_px < TOTAL_STRIDE:
        raise ValueError(f"window_px must be a multiple of {TOTAL_STRIDE}, got {window_px}")
    cells = window_px // TOTAL_STRIDE
    dense = None
    if trunk is not None:
        windows = DenseWindows(network.classifier, cells)
        dense = forward_engine(windows, device=network.classifier.weight.device, shape=MAPS)
    return WindowNet(trunk or network.maps, network.classifier, window_px, TOTAL_STRIDE, cells, dense)
