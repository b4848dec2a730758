"""A picture enlarged by a network that is at hand, by the steps that the demo takes."""

from dataclasses import dataclass

from cvdemo.images import ImageArray
from cvdemo.upscale.network import DetailNetwork
from cvdemo.upscale.upscale import UpscaleConfig, upscale_steps


@dataclass(frozen=True)
class Upscaled:
    """`image` by the network and `bicubic`, both uint8 (H, W, 3 or 4) of the same size."""

    image: ImageArray
    bicubic: ImageArray


def upscaled(image: ImageArray, network: DetailNetwork, config: UpscaleConfig) -> Upscaled:
    """The whole picture, enlarged by `config.scale`."""
    *_, last = upscale_steps(image, network, config)
    assert last.done == last.total and last.bicubic is not None
    return Upscaled(last.image, last.bicubic)
