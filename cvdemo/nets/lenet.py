"""LeNet-5 for 28-px grey pictures, with BatchNorm and dropout.

Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 1998, figure 2: two
5x5 convolutions, each halved by pooling, then dense layers of 120 and 84. Departures: wider convolutions, ReLU for
tanh, maximum for trained average pooling, every feature map joined to every other, a softmax for the distances at the
end, BatchNorm (Ioffe and Szegedy 2015) and dropout (Srivastava et al. 2014). `channels=(6, 16)` are the paper's.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

FLAT_PX = 5  # 28 px, padded by 2: 28 -> pool 14 -> 10 without padding -> pool 5


class LeNet5(nn.Module):
    """(B, 1, 28, 28) normalised pixels -> (B, num_classes) logits.

    Args:
        num_classes: K.
        channels: of the two convolutions.
        hidden: of the two dense layers.
        dropout: before each of the last two layers, [0, 1).
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: Sequence[int] = (32, 64),
        hidden: Sequence[int] = (120, 84),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 5, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(channels[0])
        self.conv2 = nn.Conv2d(channels[0], channels[1], 5, bias=False)
        self.norm2 = nn.BatchNorm2d(channels[1])
        self.dense1 = nn.Linear(channels[1] * FLAT_PX**2, hidden[0], bias=False)
        self.norm3 = nn.BatchNorm1d(hidden[0])
        self.dense2 = nn.Linear(hidden[0], hidden[1], bias=False)
        self.norm4 = nn.BatchNorm1d(hidden[1])
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden[1], num_classes)

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, channels[1], 10, 10): the second convolution after its ReLU, before it is pooled."""
        first = F.max_pool2d(F.relu(self.norm1(self.conv1(pixels))), 2)  # (B, channels[0], 14, 14)
        return F.relu(self.norm2(self.conv2(first)))

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        hidden = F.relu(self.norm3(self.dense1(F.max_pool2d(maps, 2).flatten(1))))
        hidden = F.relu(self.norm4(self.dense2(self.dropout(hidden))))
        logits: Tensor = self.classifier(self.dropout(hidden))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))
