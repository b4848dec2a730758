"""Network surgery: the pretrained backbone with a new head, whose last blocks are then trained on.

First the new classifier learns alone on a frozen body, so that its random gradients cannot spoil what was learnt; then
the blocks from `first_block` on follow at a small rate. BatchNorm keeps the statistics of ImageNet. Training sees small
random crops, measuring the central square at a larger size: random crops enlarge what they show, so that both see
things at one size (H. Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019), and a step costs
half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as v2

from cvdemo.config import setting
from cvdemo.images import from_uint8, normalise
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from train.classify.features import SMALLEST_PX, backbone, outputs, preprocessing_at
from train.classify.measures import measure
from train.classify.transfer_data import TransferPictures, read_picture
from train.data.read_pictures import Pictures
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, epoch_indices, with_steps
from train.engine.optimisers import decay_groups
from train.engine.schedules import lr_factor

_ASPECT = math.log(4 / 3)  # crops are up to this much wider or higher, as in Inception's training


@dataclass(frozen=True, kw_only=True)
class FineTuneConfig(LoopConfig):
    """Hyper-parameters; learning rates of AdamW, falling to 0 by a cosine."""

    input_px: int = setting(
        224,
        help="of the shorter side when a picture is measured, by its central square",
        unit="px",
        minimum=SMALLEST_PX,
    )
    train_px: int = setting(192, help="side of the random crops", unit="px", minimum=SMALLEST_PX)
    min_area: float = setting(0.5, help="least part of the picture that a crop shows", above=0, maximum=1)
    epochs: int = 2
    batch_size: int = 64
    evaluate_every: int = setting(1, help="0: no measures; else one after each epoch", minimum=0)
    log_every: int = 10
    preview_every: int = 0
    ema_decay: float = 0.99
    warmup_steps: int = setting(50, help="in which the head learns alone", unit="steps", minimum=0)
    first_block: int = setting(8, help="blocks from here on are trained", minimum=1, maximum=15)
    lr: float = setting(1e-3, help="learning rate of the new head", minimum=0)
    lr_body: float = setting(4e-4, help="learning rate of the blocks that are trained", minimum=0)
    weight_decay: float = setting(0.01, help="of weights with two dimensions or more", minimum=0)
    label_smoothing: float = setting(
        0.1, help="share of each target that is spread over all classes", minimum=0, below=1
    )


class FineTuneTask(Task):
    """Cross-entropy on random crops, on the backbone with a classifier of its own.

    Args:
        config: hyper-parameters; its epochs become steps here.
        data: training pictures. validation: those that choose the checkpoint.
        device, amp: where, and whether in 16 bits.
    """

    product = "network"
    metric = "rank1"
    gap = ("train_rank1", "rank1")

    def __init__(
        self,
        config: FineTuneConfig,
        data: TransferPictures,
        validation: TransferPictures,
        device: torch.device,
        amp: bool,
    ) -> None:
        self.config: FineTuneConfig = with_steps(config, len(data.labels))
        self.device, self.amp = device, amp
        self.data, self.validation = data, validation
        self.class_names = data.class_names
        self.preprocessing = preprocessing_at(config.input_px)
        base = backbone()
        self.trunk = channels_last(fold_batch_norm(base).to(device))
        torch.manual_seed(config.seed)
        self.network = channels_last(with_new_head(base, len(data.class_names)).to(device))
        self.networks = {"network": self.network}
        body = [*self.network.blocks[config.first_block :], self.network.head]
        self.optimizers = {
            "head": _adamw([self.network.classifier], config.lr, config.weight_decay),
            "body": _adamw(body, config.lr_body, config.weight_decay),
        }

    def lr_factor(self, step: int) -> float:
        return lr_factor("cosine", step, self.config.steps)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of the head, and after the warm-up of the last blocks too."""
        pixels, labels = self.batch(step, generator)
        names = ("head",) if step < self.config.warmup_steps else ("head", "body")
        with torch.set_grad_enabled("body" in names):
            maps = self.maps(pixels)
        logits = self.network.logits(maps)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update(*names)
        return {"loss": loss.detach(), "rank1": 100 * (logits.detach().argmax(dim=1) == labels).float().mean()}

    def maps(self, pixels: Tensor) -> Tensor:
        """As the network's, with the frozen part in 16 bits from a copy whose norms are folded.

        The trained part is in float32: on CPUs the gradient of a depthwise convolution in bfloat16 takes three times
        as long (blocks 9 to 15 and head at 160 px: 30 ms a picture against 11).
        """
        first = self.config.first_block
        with torch.no_grad(), autocast(self.device, self.amp):
            (x,) = self.trunk.features(pixels, [f"block{first - 1}"]).values()
        x = x.float()
        for block in self.network.blocks[first:]:
            x = block(x)
        return F.relu6(self.network.head(x))

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalised random crops (B, 3, train_px, train_px) and labels (B,) of this process's share of one step."""
        config = self.config
        indices = shard(epoch_indices(step, config.batch_size, len(self.data.labels), config.seed))
        draws = shard(torch.rand(config.batch_size, 5, generator=generator))
        crops = [
            random_crop(read_picture(self.data.pictures[index]), config.train_px, config.min_area, draw)
            for index, draw in zip(indices.tolist(), draws.tolist(), strict=True)
        ]
        pixels = normalise(from_uint8(torch.stack(crops).to(self.device)), self.preprocessing)
        return pixels.contiguous(memory_format=torch.channels_last), self.data.labels[indices].to(self.device)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Rank-1 (per cent) and loss on the central squares of the validation pictures."""
        assert isinstance(network, EfficientNetLite)
        folded = channels_last(fold_batch_norm(network))
        pictures = map(read_picture, self.validation.pictures)
        found = outputs(folded, pictures, self.preprocessing, self.device, amp=self.amp)
        scores = measure(torch.cat(list(found))[:, 0], self.validation.labels)
        return {"rank1": scores["rank1"], "validation_loss": scores["loss"]}


def with_new_head(base: EfficientNetLite, classes: int) -> EfficientNetLite:
    """The network with its classifier replaced by a random one, in eval mode: norms keep their statistics."""
    network = EfficientNetLite(num_classes=classes)
    kept = {key: tensor for key, tensor in base.state_dict().items() if not key.startswith("classifier.")}
    network.load_state_dict(network.state_dict() | kept)
    return network.eval()


def random_crop(picture: Pictures, side_px: int, min_area: float, draw: Sequence[float]) -> Tensor:
    """uint8 (H, W, 3) -> uint8 (3, side_px, side_px): a random part, mirrored half of the time.

    Args:
        draw: five numbers in [0, 1): for area, aspect, place on both axes, mirroring.
    """
    height, width = picture.shape[:2]
    area = (min_area + (1 - min_area) * draw[0]) * height * width
    ratio = math.exp(_ASPECT * (2 * draw[1] - 1))
    crop_h, crop_w = min(height, round(math.sqrt(area / ratio))), min(width, round(math.sqrt(area * ratio)))
    top, left = int(draw[2] * (height - crop_h + 1)), int(draw[3] * (width - crop_w + 1))
    pixels = torch.from_numpy(picture).permute(2, 0, 1)
    crop: Tensor = v2.resized_crop(
        pixels, top, left, crop_h, crop_w, [side_px, side_px], v2.InterpolationMode.BICUBIC, antialias=True
    )
    return crop.flip(2) if draw[4] < 0.5 else crop


def _adamw(modules: Sequence[nn.Module], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Over all weights of these modules; vectors are not decayed."""
    weights = [weight for module in modules for weight in module.parameters()]
    return torch.optim.AdamW(decay_groups(weights, weight_decay), lr)
