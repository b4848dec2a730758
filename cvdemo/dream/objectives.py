"""What a dream raises: the strength of a layer, or of one of its channels."""

from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.nets.backbone import FeatureNetwork

WHOLE_LAYER = -1  # as a channel: all of them


def objective(activations: Tensor, channel: int = WHOLE_LAYER) -> Tensor:
    """What the dream raises, a scalar: the mean square of all of (B, C, h, w), or the mean of one channel.

    The mean square's gradient is the layer's own activations, as in google/deepdream (`objective_L2`).

    Raises:
        InputError: the layer has no such channel.
    """
    if channel == WHOLE_LAYER:
        return activations.square().mean()
    count = activations.shape[1]
    if not 0 <= channel < count:
        raise InputError(f"This layer has channels 0 to {count - 1}, or -1 for all of them; {channel} was asked for.")
    return activations[:, channel].mean()


def measure(pixels: Tensor, network: FeatureNetwork, layer: str, channel: int = WHOLE_LAYER) -> Tensor:
    """The objective (scalar) of pixels (1, 3, H, W) in [0, 1] at a layer."""
    return objective(network.features(pixels, [layer])[layer], channel)
