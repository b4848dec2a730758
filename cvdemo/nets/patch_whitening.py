"""Whitening as the first layer of a network: a convolution that is fitted to training pictures and not trained.

A whole picture of 32 px has 3,072 values, and a matrix that whitens it nine million numbers; it would also tie every
pixel to its place. Small patches have the same statistics everywhere, so one small matrix, slid over the picture,
whitens them all (A. Coates, H. Lee and A. Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
AISTATS 2011). As a layer it is part of the weights, and nobody who feeds the network has to know of it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.ops.whitening import WhiteningKind, whitening_matrix

COLOURS = 3
EPS = 0.01  # of variances of normalised pixels, about 1: detail with less than a hundredth of that is taken for noise
_CHUNK = 500  # pictures whose patches are in memory at a time


class PatchWhitening(nn.Conv2d):
    """Normalised pixels (B, 3, H, W) -> (B, C, H, W).

    With "pca" C = 3 * patch_px**2: every principal component of the patch around a pixel. With "zca" C = 3: the colours
    of the pixel itself in its whitened patch, a picture again. Beyond the edges the pixels count as zero, the mean.

    Args:
        kind: "pca" or "zca".
        patch_px: side of the patches, odd.

    Raises:
        ValueError: another kind, or an even side.
    """

    def __init__(self, kind: WhiteningKind, patch_px: int = 3) -> None:
        if patch_px % 2 == 0:
            raise ValueError(f"patches need a pixel in their middle: patch_px must be odd, got {patch_px}")
        whitening_matrix(torch.eye(1), kind, 0.0)  # refuses other kinds
        channels = COLOURS * patch_px**2 if kind == "pca" else COLOURS
        super().__init__(COLOURS, channels, patch_px, padding=patch_px // 2)
        self.kind: WhiteningKind = kind
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, pictures: Tensor, eps: float = EPS) -> None:
        """Takes the filters from normalised pictures (N, 3, H, W).

        Raises:
            ValueError: fewer patches than a patch has values.
        """
        patch_px = self.kernel_size[0]
        mean, covariance = patch_statistics(pictures, patch_px)
        matrix = whitening_matrix(covariance, self.kind, eps)
        if self.kind == "zca":  # of each colour the pixel in the middle
            matrix = matrix[patch_px**2 // 2 :: patch_px**2]
        self.weight.copy_(matrix.view_as(self.weight))
        assert self.bias is not None
        self.bias.copy_(-matrix @ mean)


def patch_statistics(pictures: Tensor, patch_px: int) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D), float64, D = 3 * patch_px**2, of all patches inside pictures (N, 3, H, W).

    Values of a patch are ordered as in a convolution's filter: colour, row, column.

    Raises:
        ValueError: fewer patches than values.
    """
    size = pictures.shape[1] * patch_px**2
    total, products, count = torch.zeros(size).double(), torch.zeros(size, size).double(), 0
    for chunk in torch.split(pictures, _CHUNK):
        patches = F.unfold(chunk, patch_px).transpose(1, 2).flatten(0, 1).double()  # (patches, D)
        total += patches.sum(dim=0)
        products += patches.T @ patches
        count += len(patches)
    if count < size:
        raise ValueError(f"need {size} patches or more, got {count}")
    mean = total / count
    return mean, (products - count * torch.outer(mean, mean)) / (count - 1)
