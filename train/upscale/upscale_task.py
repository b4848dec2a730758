"""Super-resolution as a task: patches in, crops restored; and what its networks have in common.

Luminance only. Beyond the paper (Dong et al. 2016): Adam or SOAP with a cosine instead of SGD, an average of the
weights, larger crops that carry their surroundings, mirrored and turned. The last steps run in float32, because
bfloat16's 8 bits of mantissa cost hundredths of a dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.images import from_uint8
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.upscale.network import make_network
from cvdemo.weights import load_state_dict
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, with_steps
from train.engine.schedules import lr_factor
from train.engine.soap import Soap
from train.publishing.lineage import file_to_start_from, read_start, runs_before
from train.upscale.degradation import REACH_PX, CropDegradation, Restore, measure
from train.upscale.patches import PatchSource, turned

Network = SRCNN | FastSRCNN
Scale = Literal[2, 3, 4]
PixelLoss = Literal["l2", "charbonnier", "l1"]
OptimizerName = Literal["adam", "soap"]

_OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "soap": Soap}
_CHARBONNIER_EPSILON = 1e-3  # Lai et al. 2017, "Deep Laplacian Pyramid Networks", section 3.3


@dataclass(frozen=True, kw_only=True)
class UpscaleTrainingConfig(LoopConfig):
    """Hyper-parameters; sizes in px of the high-resolution picture."""

    batch_size: int = 16
    ema_decay: float = 0.999
    log_every: int = 100
    preview_every: int = 0
    scale: Scale = setting(2, help="factor by which pictures are enlarged", choices=get_args(Scale))
    crop_px: int = setting(
        48,
        help="restored part of a crop, a multiple of the scale; its surroundings come on top",
        unit="px",
        minimum=1,
    )
    patch_px: int = setting(
        240, help="side of the stored patches, from which crops are drawn; a multiple of 12", unit="px", minimum=12
    )
    shrink: tuple[float, ...] = setting(
        (1.0, 0.9, 0.8, 0.7, 0.6), help="copies of each picture", above=0, maximum=1, min_count=1
    )
    bsds: bool = setting(True, help="BSDS500 train and test beside T91")
    loss: PixelLoss = setting("l2", help="of pixels", choices=get_args(PixelLoss))
    optimizer: OptimizerName = setting(  # see docs/experiments
        "soap", help="what updates the weights", choices=get_args(OptimizerName)
    )
    lr: float = setting(1e-3, help="learning rate, falling to 0 by a cosine", minimum=0)
    warmup_steps: int = setting(
        200, help="over which the learning rate rises first; a tenth of all at most", unit="steps", minimum=0
    )
    float32_steps: int = setting(1000, help="at the end, without bfloat16", unit="steps", minimum=0)
    start: str = setting(
        "",
        help="weight of the manifest, or checkpoint file, to start from, at whatever scale; empty: bicubic",
    )

    @property
    def colour(self) -> bool:
        """Whether patches hold red, green and blue instead of luminance."""
        return False

    @property
    def network(self) -> dict[str, Any]:
        """The manifest's `network`: its name and its arguments."""
        raise NotImplementedError

    @property
    def weight(self) -> str:
        """The name in the manifest."""
        raise NotImplementedError


class UpscaleTask(Task):
    """Restores random crops of patches.

    Args:
        config: hyper-parameters.
        patches: to draw from, each `config.patch_px` a side.
        held_out: luminance by name, (1, 1, H, W) in [0, 1], to choose the checkpoint by.
        device, amp: where, and whether convolutions run in bfloat16.

    Raises:
        ValueError: sizes that do not fit together.
    """

    config: UpscaleTrainingConfig
    product = "network"
    metric = "psnr"

    def __init__(
        self,
        config: UpscaleTrainingConfig,
        patches: PatchSource,
        held_out: Mapping[str, Tensor],
        device: torch.device,
        amp: bool,
    ) -> None:
        self.config = config = with_steps(config, len(patches))
        self.patches, self.held_out = patches, held_out
        self.device, self.amp = device, amp
        torch.manual_seed(config.seed)
        self.network = make_network(config.network)
        if config.start:
            start_from(self.network, config.start)
        self.earlier = runs_before(config.start)
        channels_last(self.network.to(device))
        self.networks: dict[str, nn.Module] = {"network": self.network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": _OPTIMIZERS[config.optimizer](self.network.parameters(), lr=config.lr)
        }
        self.side_px = config.crop_px + 2 * (_context_px(self.network, config.scale) + REACH_PX) * config.scale
        if config.crop_px % config.scale or self.side_px > config.patch_px:
            raise ValueError(
                f"need crops of a multiple of {config.scale} px that fit with their surroundings, {self.side_px} px, "
                f"into patches, got {config.crop_px=}, {config.patch_px=}"
            )
        self.degrade = CropDegradation(self.side_px, config.scale, device)

    def lr_factor(self, step: int) -> float:
        """Warm-up, of a tenth of the steps at most, then a cosine."""
        warmup_steps = min(self.config.warmup_steps, self.config.steps // 10)
        return lr_factor("cosine", step, self.config.steps, warmup_steps / self.config.steps)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step on a batch of crops."""
        low_res, enlarged, target = self._batch(generator)
        amp = self.amp and step < self.config.steps - self.config.float32_steps
        with autocast(self.device, amp):
            restored = self._restored(low_res, enlarged)
        loss = pixel_loss(restored, target, self.config.loss)
        self.optimizers["network"].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update()
        mse = F.mse_loss(restored.detach(), target)
        return {"loss": loss.detach(), "batch_psnr": -10 * mse.log10()}

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """This process's low-resolution crops, what bicubic makes of them, and what they should become."""
        high_res = self._crops(generator).to(self.device)
        low_res, enlarged = self.degrade(high_res)
        return low_res, enlarged, centre(high_res, self.config.crop_px)

    def _restored(self, low_res: Tensor, enlarged: Tensor) -> Tensor:
        """(B, 1, crop, crop) float32."""
        if isinstance(self.network, FastSRCNN):
            return self.network.detail_inner(low_res).float() + centre(enlarged, self.config.crop_px)
        around = centre(enlarged, self.config.crop_px + 2 * self.network.halo_px)
        return self.network.restore_inner(around).float()

    def _crops(self, generator: torch.Generator) -> Tensor:
        """This process's (B, 1 or 3, side, side) in [0, 1], from random places on the scale's grid, turned."""
        count, scale, side = self.config.batch_size, self.config.scale, self.side_px
        patch = torch.randint(len(self.patches), (count, 1), generator=generator)
        places = (self.config.patch_px - side) // scale + 1
        top_left = scale * torch.randint(places, (count, 2), generator=generator)
        turn = torch.randint(8, (count, 1), generator=generator)
        mine = shard(torch.cat([patch, top_left, turn], dim=1)).numpy()
        crops = [
            turned(pixels[top : top + side, left : left + side], turn)
            for pixels, (_, top, left, turn) in zip(self.patches.read(mine[:, 0]), mine.tolist(), strict=True)
        ]
        pixels = torch.from_numpy(np.stack(crops))  # (B, side, side), or (B, side, side, 3)
        return from_uint8(pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2))

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """PSNR and SSIM on the held-out pictures, in float32, with bicubic beside them."""
        assert isinstance(network, SRCNN | FastSRCNN)
        return measure(self.held_out, self.config.scale, restorer(network, self.device))


def pixel_loss(restored: Tensor, target: Tensor, loss: PixelLoss) -> Tensor:
    """Mean over pixels of the squared ("l2") or absolute ("l1") error, or of its smooth form ("charbonnier")."""
    if loss == "charbonnier":
        return ((restored - target).square() + _CHARBONNIER_EPSILON**2).sqrt().mean()
    return F.mse_loss(restored, target) if loss == "l2" else F.l1_loss(restored, target)


def start_from(network: Network, start: str) -> None:
    """Loads a published weight, or the averaged network of a checkpoint file, of another scale too.

    The last layer, if it has other outputs then, stays as it is.

    Raises:
        ValueError: it is neither of them, or another layer differs.
    """
    path = file_to_start_from(start)
    state, own = read_start(path)["ema"] if path else load_state_dict(start), network.state_dict()
    differing = {key for key in state.keys() | own.keys() if key not in state or state[key].shape != _shape(own, key)}
    if any(not key.startswith("last.") for key in differing):
        raise ValueError(f"{start} is another network: {', '.join(sorted(differing))} do not fit")
    network.load_state_dict(own | {key: tensor for key, tensor in state.items() if key not in differing})


def _shape(state: Mapping[str, Tensor], key: str) -> torch.Size | None:
    return state[key].shape if key in state else None


def restorer(network: Network, device: torch.device) -> Restore:
    """What `measure` calls: the network's part of a whole picture."""

    def restore(low_res: Tensor, enlarged: Tensor) -> Tensor:
        if isinstance(network, FastSRCNN):
            detail: Tensor = network(low_res.to(device))
            return enlarged.to(device) + detail
        restored: Tensor = network(enlarged.to(device))
        return restored

    return restore


def _context_px(network: Network, scale: int) -> int:
    """Low-resolution px around a crop that its restoration depends on."""
    if isinstance(network, FastSRCNN):
        return max(network.halo_px, REACH_PX)
    return -(-network.halo_px // scale) + REACH_PX


def centre(crops: Tensor, side_px: int) -> Tensor:
    """The square in the middle of (B, C, n, n), `side_px` a side."""
    start = (crops.shape[-1] - side_px) // 2
    return crops[..., start : start + side_px, start : start + side_px]
