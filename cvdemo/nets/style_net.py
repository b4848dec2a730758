"""A network that repaints any picture in any style at once: the style changes the gain and shift of every channel.

G. Ghiasi, H. Lee, M. Kudlur, V. Dumoulin, J. Shlens, "Exploring the structure of a real-time, arbitrary neural artistic
stylization network", BMVC 2017: one network predicts from the style picture what another one, which repaints, is
conditioned on. Departures:

- The style is described by means and deviations of EfficientNet-Lite0's channels and of the colours, which the losses
  compute anyway. A network of its own would have to learn on few paintings what this one knows from ImageNet.
- There is no instance normalisation. The picture comes in the style's colours (`cvdemo.ops.colour_match`), so its
  contrast is normalised already. What is left is local: a tile with its surroundings gives exactly what the whole
  picture gives, and films do not flicker because something moved far away.
- Against checkerboards and frames: nearest enlargement before a convolution, kernels that the stride divides,
  reflected borders (A. Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016).
- The coarse colours of the picture go past the network, so that it draws strokes and need not learn to copy.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4  # sides of the pictures are multiples of it
STATISTICS_LAYERS = ("stem", "block1", "block3", "block5", "block8")  # of EfficientNet-Lite0
STATISTICS_DIM = 3 + 6 + 2 * (32 + 24 + 40 + 80 + 112)  # colours; means and deviations of those layers' channels

_LEAK = 0.1
_STATISTICS_LIMIT = 4.0  # deviations: a style unlike all paintings counts as the most unlike of them
_SMALLEST_VARIANCE = 1e-6
_DARKEST = 0.02  # where black and white stand on the unbounded scale that strokes are added on
_FIRST_CHANGE = 0.3  # gain of what a block adds at first: five blocks then keep the size of their input
_FIRST_GATE = 0.5  # how much of the picture's fine detail goes past the network at first


def style_statistics(pixels: Tensor, features: Mapping[str, Tensor]) -> Tensor:
    """What a picture looks like, whatever it shows: (B, STATISTICS_DIM).

    Args:
        pixels: (B, 3, H, W) in [0, 1].
        features: activations of `STATISTICS_LAYERS` for them.
    """
    colours = pixels.flatten(2)
    mean = colours.mean(dim=2)
    centred = colours - mean[:, :, None]
    covariance = centred @ centred.transpose(1, 2) / colours.shape[2]
    rows, columns = torch.triu_indices(3, 3, device=pixels.device)
    parts = [mean, covariance[:, rows, columns]]
    for name in STATISTICS_LAYERS:
        variance, average = torch.var_mean(features[name].flatten(2), dim=2, correction=0)
        parts += [average, variance.clamp(min=_SMALLEST_VARIANCE).sqrt()]
    return torch.cat(parts, dim=1)


class StyledConv(nn.Module):
    """A convolution with reflected borders; the code sets gain and shift of each channel that comes out.

    (B, c_in, H, W) and (B, code_dim) -> (B, c_out, H / stride, W / stride), for strides 1 and 2. The kernels are used
    at length 1 (T. Salimans, D. Kingma, "Weight Normalization", NIPS 2016), and gains are `first_gain` times -1 to 3.
    With neither, activations grew by ten from block to block after 500 steps of training.
    """

    def __init__(self, c_in: int, c_out: int, code_dim: int, stride: int = 1, first_gain: float = 1.0) -> None:
        super().__init__()
        side = 3 if stride == 1 else 4
        # About of length 1, at which a learning rate of 1e-3 turns a kernel by some degrees a step. Of deviation 1, it
        # would turn by a thirtieth of that.
        self.weight = nn.Parameter(torch.randn(c_out, c_in, side, side) / (c_in * side**2) ** 0.5)
        self.modulation = nn.Linear(code_dim, 2 * c_out)
        self.stride, self.first_gain = stride, first_gain
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        raised, shift = self.modulation(code)[:, :, None, None].chunk(2, dim=1)
        gain = self.first_gain * (1 + 2 * torch.tanh(raised / 2))
        return torch.addcmul(shift, self.convolved(x), gain)

    def convolved(self, x: Tensor) -> Tensor:
        """Before gain and shift."""
        length = torch.linalg.vector_norm(self.weight, dim=(1, 2, 3), keepdim=True)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.weight / length, stride=self.stride)


class StyledBlock(nn.Module):
    """Two convolutions beside a shortcut, which at first carries most."""

    def __init__(self, channels: int, code_dim: int) -> None:
        super().__init__()
        self.first = StyledConv(channels, channels, code_dim)
        self.second = StyledConv(channels, channels, code_dim, first_gain=_FIRST_CHANGE)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        changed: Tensor = self.second(F.leaky_relu(self.first(x, code), _LEAK), code)
        return x + changed


class StyledEnlargement(nn.Module):
    """Twice the size, then a convolution; the code says how much of the encoder's finer maps is let in."""

    def __init__(self, c_in: int, c_out: int, code_dim: int) -> None:
        super().__init__()
        self.conv = StyledConv(c_in, c_out, code_dim)
        self.gate = nn.Linear(code_dim, c_out)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, _FIRST_GATE)

    def forward(self, x: Tensor, finer: Tensor, code: Tensor) -> Tensor:
        enlarged = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"), code)
        return F.leaky_relu(torch.addcmul(enlarged, finer, self.gate(code)[:, :, None, None]), _LEAK)


class StyleEncoder(nn.Module):
    """Statistics of pictures (B, STATISTICS_DIM) -> codes (B, code_dim).

    Attributes:
        mean, deviation: of each statistic over many paintings, which `standardise` sets.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, code_dim: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STATISTICS_DIM))
        self.register_buffer("deviation", torch.ones(STATISTICS_DIM))
        self.layers = nn.Sequential(nn.Linear(STATISTICS_DIM, hidden), nn.LeakyReLU(_LEAK), nn.Linear(hidden, code_dim))

    @torch.no_grad()
    def standardise(self, statistics: Tensor) -> None:
        """Takes the scale of each statistic from those of paintings, (N, STATISTICS_DIM).

        Raises:
            ValueError: fewer than two.
        """
        if len(statistics) < 2:
            raise ValueError(f"a deviation needs the statistics of two pictures or more, got {len(statistics)}")
        self.mean.copy_(statistics.mean(dim=0))
        self.deviation.copy_(statistics.std(dim=0).clamp(min=_SMALLEST_VARIANCE**0.5))

    def forward(self, statistics: Tensor) -> Tensor:
        scaled = (statistics - self.mean) / self.deviation
        code: Tensor = self.layers(scaled.clamp(-_STATISTICS_LIMIT, _STATISTICS_LIMIT))
        return code


class StyleNet(nn.Module):
    """Pictures (B, 3, H, W) in the style's colours and codes (B, code_dim) -> repainted pictures, all in [0, 1].

    H and W are multiples of `STRIDE`, 16 px at least.

    Args:
        width: channels of the blocks, at a quarter of the size.
        blocks: how many.
        code_dim: length of a style's code.
        hidden: length of the layer before the code.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, width: int = 80, blocks: int = 5, code_dim: int = 128, hidden: int = 256) -> None:
        super().__init__()
        if min(width, blocks, code_dim, hidden) < 1:
            raise ValueError(f"need sizes of at least 1, got {width=}, {blocks=}, {code_dim=}, {hidden=}")
        self.style_encoder = StyleEncoder(code_dim, hidden)
        fine, middle = max(1, width // 5), max(1, 2 * width // 5)
        self.first = StyledConv(3, fine, code_dim)
        self.shrink = StyledConv(fine, middle, code_dim, stride=2)
        self.shrink_again = StyledConv(middle, width, code_dim, stride=2)
        self.blocks = nn.ModuleList(StyledBlock(width, code_dim) for _ in range(blocks))
        self.enlarge = StyledEnlargement(width, middle, code_dim)
        self.enlarge_again = StyledEnlargement(middle, fine, code_dim)
        self.last = nn.Conv2d(fine, 3, 3, padding=1, padding_mode="reflect")
        with torch.no_grad():
            self.last.weight.mul_(0.1)  # training begins at the coarse colours

    @property
    def halo_px(self) -> int:
        """What a tile needs around it, in px of the picture; a multiple of `STRIDE`."""
        reach = 1 + 2 + 4 + 2 * STRIDE * len(self.blocks) + 2 + 1 + 1 + STRIDE  # the last: the coarse colours
        return -(-reach // STRIDE) * STRIDE

    def code(self, statistics: Tensor) -> Tensor:
        """Codes (B, code_dim) of pictures with these `style_statistics`."""
        code: Tensor = self.style_encoder(statistics)
        return code

    def forward(self, pixels: Tensor, code: Tensor) -> Tensor:
        if pixels.shape[-2] % STRIDE or pixels.shape[-1] % STRIDE:
            raise ValueError(f"need sides of a multiple of {STRIDE} px, got {tuple(pixels.shape)}")
        fine = F.leaky_relu(self.first(pixels - 0.5, code), _LEAK)  # (B, width / 5, H, W)
        middle = F.leaky_relu(self.shrink(fine, code), _LEAK)  # (B, 2 width / 5, H / 2, W / 2)
        x = F.leaky_relu(self.shrink_again(middle, code), _LEAK)  # (B, width, H / 4, W / 4)
        for block in self.blocks:
            x = block(x, code)
        x = self.enlarge_again(self.enlarge(x, middle, code), fine, code)
        return torch.sigmoid(_coarse_logits(pixels) + self.last(x).float())


def _coarse_logits(pixels: Tensor) -> Tensor:
    """The picture without detail finer than `STRIDE` px, on the scale whose sigmoid is a picture."""
    coarse = F.interpolate(F.avg_pool2d(pixels, STRIDE), scale_factor=STRIDE, mode="bilinear", align_corners=False)
    return torch.logit(coarse, eps=_DARKEST)
