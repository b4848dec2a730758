"""A network for any style as a task: pairs of a photograph and a painting in, and the optimiser's losses to lower.

J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016, for
the training; `cvdemo.nets.style_net` says what the network is. Ours: each batch is seen by the losses at a random
shift, so that the network's grid never lies on that of the losses, which would show as a checkerboard; and some
pictures are their own style, so that strength 0 gives the picture back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.images import ImageArray, to_batch, to_images
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.nets.style_net import STATISTICS_LAYERS, STRIDE, StyleNet, style_statistics
from cvdemo.style.feed_forward import make_style_net
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.targets import SHIFT_PX
from cvdemo.weights import load_state_dict
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, with_steps
from train.engine.schedules import lr_factor
from train.publishing.lineage import file_to_start_from, read_start, runs_before
from train.style.contact_sheet import contact_sheet, example_photographs, example_styles
from train.style.measures import Pairs, by_network, measure, untouched
from train.style.pair_losses import SMALLEST_PX, PairTargets, in_colours_of
from train.style.pictures import DRAWS, PictureSource, random_crops

_SCALED_BY = 256  # paintings whose statistics set the scale of the network's input
_TOGETHER = 8  # of them at once


@dataclass(frozen=True, kw_only=True)
class InstantTrainingConfig(LoopConfig):
    """Hyper-parameters; the weights of the losses are those of `cvdemo.style.optimise.StyleConfig`."""

    batch_size: int = 4
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    width: int = setting(80, help="channels of the blocks", minimum=1)
    blocks: int = setting(5, help="residual blocks at a quarter of the size", minimum=1)
    code_dim: int = setting(128, help="length of a style's code", minimum=1)
    hidden: int = setting(256, help="length of the layer before the code", minimum=1)
    crop_px: int = setting(
        192, help="side of the crops of both kinds, a multiple of 4", unit="px", minimum=-(-SMALLEST_PX // 4) * 4
    )
    photograph_scale: float = setting(
        2.0, help="largest shorter side of a photograph, in crops; the smallest is 1", minimum=1
    )
    painting_scale: float = setting(1.6, help="the same of a painting", minimum=1)
    content_weight: float = setting(2.0, help="of the content loss", minimum=0, maximum=10)
    style_weight: float = setting(10.0, help="of the style loss", minimum=0.1, maximum=100)
    tv_weight: float = setting(40.0, help="of the total variation", minimum=0, maximum=300)
    identity: float = setting(0.1, help="share of pictures that are their own style", minimum=0, maximum=1)
    identity_weight: float = setting(
        5.0, help="of the mean absolute error of pictures that are their own style", minimum=0
    )
    lr: float = setting(1e-3, help="learning rate of AdamW, falling to 0 by a cosine", minimum=0)
    lr_style: float = setting(
        2e-4, help="the same of what makes codes, gains and shifts, each of which changes whole channels", minimum=0
    )
    weight_decay: float = setting(1e-4, help="of AdamW", minimum=0)
    warmup_steps: int = setting(
        300, help="over which the learning rate rises first; a tenth of all at most", unit="steps", minimum=0
    )

    start: str = setting(
        "", help="weight of the manifest, or checkpoint file of a run, to start from; empty: random weights"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop_px % STRIDE:
            raise ValueError(f"need crop_px of a multiple of {STRIDE}, got {self.crop_px}")

    @property
    def network(self) -> dict[str, Any]:
        """The manifest's `network`: its name and its arguments."""
        sizes = {"width": self.width, "blocks": self.blocks, "code_dim": self.code_dim, "hidden": self.hidden}
        return {"name": "style_net", **sizes}

    @property
    def weights(self) -> StyleConfig:
        """The optimiser's settings with the weights of this run's losses."""
        return StyleConfig(content_weight=self.content_weight, style_weight=self.style_weight, tv_weight=self.tv_weight)


class InstantTask(Task):
    """Repaints random photographs in the manner of random paintings.

    Args:
        config: hyper-parameters.
        photographs, paintings: to draw from.
        held_out: squares of `crop_px` to measure with.
        features: the network of the losses.
        device, amp: where, and whether the network's convolutions run in 16 bits; the losses' do not.
    """

    config: InstantTrainingConfig
    product = "network"
    metric = "loss"
    higher_is_better = False

    def __init__(
        self,
        config: InstantTrainingConfig,
        photographs: PictureSource,
        paintings: PictureSource,
        held_out: Pairs,
        features: FeatureNetwork,
        amp: bool,
    ) -> None:
        self.config = config = with_steps(config, len(photographs))
        self.photographs, self.paintings, self.held_out = photographs, paintings, held_out
        self.features, self.device, self.amp = features, features.device, amp
        torch.manual_seed(config.seed)
        self.network = make_style_net(config.network)
        channels_last(self.network.to(self.device))
        if config.start:
            start_from(self.network, config.start)
        else:
            self.network.style_encoder.standardise(self._scale_of_statistics())
        self.earlier = runs_before(config.start)
        self.networks: dict[str, nn.Module] = {"network": self.network}
        optimizer = torch.optim.AdamW(self._groups(), config.lr, weight_decay=config.weight_decay)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"network": optimizer}
        self._untouched: float | None = None  # the loss of held-out pictures that only got their style's colours

    def _groups(self) -> list[dict[str, Any]]:
        """The convolutions' parameters, and those of the linear layers with their own learning rate."""
        linear = [layer for layer in self.network.modules() if isinstance(layer, nn.Linear)]
        style = [parameter for layer in linear for parameter in layer.parameters()]
        ids = {id(parameter) for parameter in style}
        others = [parameter for parameter in self.network.parameters() if id(parameter) not in ids]
        return [{"params": others}, {"params": style, "lr": self.config.lr_style}]

    def lr_factor(self, step: int) -> float:
        """Warm-up, of a tenth of the steps at most, then a cosine."""
        warmup_steps = min(self.config.warmup_steps, self.config.steps // 10)
        return lr_factor("cosine", step, self.config.steps, warmup_steps / self.config.steps)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step on a batch of pairs."""
        config = self.config
        content, style, own = self._pairs(generator)
        y, x = torch.randint(0, SHIFT_PX + 1, (2,), generator=generator).tolist()
        targets = PairTargets.of(content, style, self.features, (y, x))
        with autocast(self.device, self.amp):
            painted = self.network(content, self.network.code(targets.statistics))
        losses = targets.losses(painted, self.features)
        error = (painted - content).abs().mean(dim=(1, 2, 3))
        loss = (losses.total(config.weights) + config.identity_weight * own * error).mean()
        self.optimizers["network"].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update()
        means = {name: values.detach().mean() for name, values in losses._asdict().items()}
        return {"loss": loss.detach(), **means}

    def _pairs(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """This process's contents in their styles' colours, styles, and 1 where a picture is its own style, else 0."""
        config = self.config
        draws = shard(torch.rand(config.batch_size, 2 * DRAWS + 1, generator=generator))
        of_content, of_style, which = torch.split(draws, [DRAWS, DRAWS, 1], dim=1)
        own = (which[:, 0] < config.identity).to(self.device)
        content = self._batch(random_crops(self.photographs, of_content, config.crop_px, config.photograph_scale))
        style = self._batch(random_crops(self.paintings, of_style, config.crop_px, config.painting_scale))
        style = torch.where(own[:, None, None, None], content, style)
        return in_colours_of(content, style), style, own.float()

    def _batch(self, pictures: ImageArray) -> Tensor:
        return to_batch(pictures, self.device).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _scale_of_statistics(self) -> Tensor:
        """Statistics of the first crops of paintings, (N, STATISTICS_DIM)."""
        draws = torch.rand(_SCALED_BY, DRAWS, generator=torch.Generator().manual_seed(self.config.seed))
        found = []
        for part in torch.split(draws, _TOGETHER):
            crops = random_crops(self.paintings, part, self.config.crop_px, self.config.painting_scale)
            found.append(self._statistics(self._batch(crops)))
        return torch.cat(found)

    def _statistics(self, pixels: Tensor) -> Tensor:
        return style_statistics(pixels, self.features.features(pixels, STATISTICS_LAYERS))

    @torch.no_grad()
    def preview(self, network: nn.Module, path_without_suffix: Path) -> None:
        """Writes a PNG of the example photographs in the example styles and in held-out paintings."""
        assert isinstance(network, StyleNet)
        side = self.config.crop_px
        styles = [*example_styles(side), *self.held_out[1][:4]]
        sheet = contact_sheet(example_photographs(side), styles, lambda *pair: self._painted(network, *pair))
        sheet.save(path_without_suffix.with_suffix(".png"))

    def _painted(self, network: StyleNet, content: ImageArray, style: ImageArray) -> ImageArray:
        reference = to_batch(style[None], self.device)
        matched = in_colours_of(to_batch(content[None], self.device), reference)
        painted: ImageArray = to_images(network(matched, network.code(self._statistics(reference))))[0]
        return painted

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Losses of the held-out pairs in float32, and that of the contents left as they are but for their colours."""
        assert isinstance(network, StyleNet)
        result = measure(by_network(network), self.held_out, self.features, self.config.weights)
        if self._untouched is None:
            self._untouched = measure(untouched, self.held_out, self.features, self.config.weights)["loss"]
        return {**result, "untouched_loss": self._untouched}


def start_from(network: StyleNet, start: str) -> None:
    """Fills the network from a weight of the manifest, or with the averaged network of a checkpoint file.

    Raises:
        ValueError: neither of them has that name, or it holds a network of another shape.
    """
    path = file_to_start_from(start)
    try:
        network.load_state_dict(read_start(path)["ema"] if path else load_state_dict(start))
    except (KeyError, RuntimeError) as error:  # load_state_dict's answer to other names or shapes
        raise ValueError(
            f"{start} does not fit this configuration (width, blocks, code_dim, hidden): {error}"
        ) from error
