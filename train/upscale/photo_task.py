"""Super-resolution of pictures that noise and JPEG have damaged: small crops damaged at random, clean ones to reach.

The damage comes after shrinking, as in a picture that a phone or a web site has made small.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.ops.resample import luma
from train.engine.distributed import shard
from train.upscale.photo_damage import QUALITIES, damaged, measure_photos
from train.upscale.upscale_task import UpscaleTask, UpscaleTrainingConfig, centre, restorer


@dataclass(frozen=True, kw_only=True)
class PhotoTrainingConfig(UpscaleTrainingConfig):
    """How much the small pictures are damaged, each crop by itself."""

    jpeg_quality: tuple[int, int] = setting(
        (30, 95), help="lowest and highest quality of JPEG, drawn evenly", minimum=1, maximum=100
    )
    noise: float = setting(
        3.0,
        help="largest standard deviation of Gaussian noise before JPEG; drawn evenly from 0",
        unit="/255",
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.jpeg_quality
        if low > high:
            raise ValueError(f"need the lower quality of JPEG first, got {self.jpeg_quality}")

    @property
    def colour(self) -> bool:
        return True


class PhotoTask(UpscaleTask):
    """`UpscaleTask` on patches of colour; the held-out pictures (1, 3, H, W) are measured at fixed qualities."""

    config: PhotoTrainingConfig

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        high_res = self._crops(generator).to(self.device)
        small = self.degrade.shrink(high_res)
        low_res = luma(damaged(small, *self._damage(small.shape[1:], generator)))
        return low_res, self.degrade.enlarge(low_res), luma(centre(high_res, self.config.crop_px))

    def _damage(self, shape: torch.Size, generator: torch.Generator) -> tuple[Tensor, list[int]]:
        """Noise (B, C, H, W) and qualities of JPEG of this process's crops."""
        count, (low, high) = self.config.batch_size, self.config.jpeg_quality
        qualities = torch.randint(low, high + 1, (count,), generator=generator)
        deviations = torch.rand(count, 1, 1, 1, generator=generator) * self.config.noise / 255
        noise = deviations * torch.randn(count, *shape, generator=generator)
        return shard(noise).to(self.device), shard(qualities).tolist()

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """PSNR and SSIM on the held-out pictures as JPEGs, mean over the qualities, with bicubic beside them."""
        assert isinstance(network, SRCNN | FastSRCNN)
        restorers = {"": restorer(network, self.device)}
        results = [measure_photos(self.held_out, self.config.scale, quality, restorers) for quality in QUALITIES]
        return {name: sum(result[name] for result in results) / len(results) for name in results[0]}
