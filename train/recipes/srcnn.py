"""SRCNN 9-5-5 for one scale on the 91 pictures of the paper (Dong et al. 2016), luminance only.

Beyond the paper: Adam with a cosine instead of SGD, an average of the weights, larger crops, mirrored,
turned and shrunk copies of the pictures; the last steps run in float32, because bfloat16's 8 bits of
mantissa cost hundredths of a dB.

`--data DIR` holds the folders `t91`, `set5` and `set14` with pictures in them. They are those that the authors give out
with their code, at mmlab.ie.cuhk.edu.hk/projects/SRCNN.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.srcnn import SRCNN
from cvdemo.resample import bicubic_resize
from cvdemo.weights import load_manifest, load_state_dict
from train.checkpoint import load
from train.degrade import PROTOCOL, blurred, check_gate, measure, modcrop, read_folder
from train.device import autocast, channels_last
from train.distributed import shard
from train.engine import LoopConfig, Task, cosine_factor
from train.publish import publish as publish_weight
from train.recipe import Context, PublishOptions, Recipe, command_of

DATASET = "T91, the 91 training pictures of the SRCNN paper (Yang et al. 2010)"

_HELD_OUT_EVERY = 15  # every 15th picture by name chooses the checkpoint: 7 of 91
_NOTES = """
Restores the luminance of a picture that bicubic has enlarged, for the Upscale tab; colour stays bicubic. It sharpens
edges that shrinking has blurred. It does not undo JPEG artefacts or noise, and it invents no texture: for photographs
from phones and the web, use Real-ESRGAN.
"""


@dataclass(frozen=True, kw_only=True)
class SrcnnConfig(LoopConfig):
    """Hyper-parameters; sizes in px of the high-resolution picture."""

    steps: int = 24_000
    batch_size: int = 16
    ema_decay: float = 0.999
    evaluate_every: int = 2000
    log_every: int = 100
    preview_every: int = 0
    scale: Literal[2, 3, 4] = 2
    kernels: tuple[int, ...] = (9, 5, 5)
    channels: tuple[int, ...] = (64, 32)
    crop_px: int = 48  # restored part of a crop; the network sees `halo_px` more on each side
    shrink: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6)  # copies of each picture, (0, 1]
    lr: float = 1e-3
    warmup_steps: int = 200
    float32_steps: int = 4000  # at the end, without bfloat16
    start: str = ""  # weight of the manifest to start from; empty: the identity


class SrcnnTask(Task):
    """Mean squared error on random crops of pictures held in memory.

    Args:
        config: hyper-parameters.
        pictures: luminance by name, (1, 1, H, W) in [0, 1]; every 15th is held out.
        device, amp: where, and whether convolutions run in bfloat16.
    """

    config: SrcnnConfig
    product = "network"
    metric = "psnr"

    def __init__(self, config: SrcnnConfig, pictures: dict[str, Tensor], device: torch.device, amp: bool) -> None:
        self.config = config
        self.device = device
        self.amp = amp
        torch.manual_seed(config.seed)
        self.network = SRCNN(config.kernels, config.channels)
        if config.start:
            self.network.load_state_dict(load_state_dict(config.start))
        channels_last(self.network.to(device))
        self.networks: dict[str, nn.Module] = {"network": self.network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": torch.optim.Adam(self.network.parameters(), config.lr)
        }
        names = sorted(pictures)
        self.held_out = {name: pictures[name] for name in names[::_HELD_OUT_EVERY]}
        self.side_px = config.crop_px + 2 * self.network.halo_px
        self.pairs = self._pairs([pictures[name] for name in names if name not in self.held_out])

    def _pairs(self, pictures: list[Tensor]) -> list[Tensor]:
        """(2, H, W) of blurred and high-resolution luminance for each picture and shrunk copy large enough."""
        config = self.config
        pairs = []
        for picture in pictures:
            for factor in config.shrink:
                copy = bicubic_resize(picture, scale=factor).clamp(0, 1) if factor < 1 else picture
                high_res = modcrop(copy, config.scale)
                if min(high_res.shape[-2:]) >= self.side_px:
                    pairs.append(torch.cat([blurred(high_res, config.scale), high_res], dim=1)[0])
        if not pairs:
            raise ValueError(f"no picture measures {self.side_px} px or more on both sides")
        return pairs

    def lr_factor(self, step: int) -> float:
        return cosine_factor(step, self.config.steps, self.config.warmup_steps)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One Adam step on a batch of crops."""
        crops = shard(self._crops(generator)).to(self.device)
        halo = self.network.halo_px
        target = crops[:, 1:, halo:-halo, halo:-halo]
        amp = self.amp and step < self.config.steps - self.config.float32_steps
        with autocast(self.device, amp):
            restored = self.network.restore_inner(crops[:, :1])
        loss = F.mse_loss(restored.float(), target)
        self.optimizers["network"].zero_grad(set_to_none=True)
        self.backward(loss)
        self.update()
        return {"loss": loss.detach(), "batch_psnr": -10 * loss.detach().log10()}

    def _crops(self, generator: torch.Generator) -> Tensor:
        """(B, 2, side, side), each mirrored and turned at random; large pictures are drawn more often."""
        weights = torch.tensor([float(pair[0].numel()) for pair in self.pairs])
        chosen = torch.multinomial(weights, self.config.batch_size, replacement=True, generator=generator)
        fractions = torch.rand(self.config.batch_size, 2, generator=generator)
        turns = torch.randint(0, 8, (self.config.batch_size,), generator=generator)
        crops = []
        for index, (down, right), turn in zip(chosen.tolist(), fractions.tolist(), turns.tolist(), strict=True):
            pair = self.pairs[index]
            top = int(down * (pair.shape[1] - self.side_px + 1))
            left = int(right * (pair.shape[2] - self.side_px + 1))
            crop = pair[:, top : top + self.side_px, left : left + self.side_px]
            crop = torch.rot90(crop, turn % 4, (1, 2))
            crops.append(crop.flip(2) if turn >= 4 else crop)
        return torch.stack(crops)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """PSNR and SSIM on the held-out pictures, in float32, with bicubic beside them."""
        return measure(self.held_out, self.config.scale, _restorer(network, self.device))


def _restorer(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    def restore(low_res: Tensor) -> Tensor:
        restored: Tensor = network(low_res.to(device))
        return restored

    return restore


def folder_of(data: Path, name: str) -> Path:
    """The folder `name` in `data`, or `data` itself where that is its name; T91 and t91 are the same.

    Raises:
        FileNotFoundError: neither is there.
    """
    if data.is_dir():
        for folder in (data, *sorted(data.iterdir())):
            if folder.name.lower() == name and folder.is_dir():
                return folder
    raise FileNotFoundError(f"{data} holds no folder {name!r}: --data takes the folder that t91, set5 and set14 lie in")


def build(config: SrcnnConfig, context: Context) -> SrcnnTask:
    """The task on `t91` in the context's data; noise pictures without data."""
    if context.data is None:
        random = torch.Generator().manual_seed(config.seed)
        pictures = {f"{i}.png": torch.rand(1, 1, 96, 96, generator=random) for i in range(4)}
    else:
        pictures = read_folder(folder_of(context.data, "t91"))
    return SrcnnTask(config, pictures, context.device, context.amp)


def evaluate(name: str, context: Context) -> dict[str, Any]:
    """PSNR and SSIM of a published network on Set5, and on Set14 where it lies beside it, with bicubic.

    Raises:
        ValueError: no data, or Set5 bicubic misses the published figure: then nothing is compared.
        FileNotFoundError: no folder `set5`.
    """
    entry = load_manifest()[name]
    network = SRCNN(tuple(entry.network["kernels"]), tuple(entry.network["channels"]))
    network.load_state_dict(load_state_dict(name))
    return measure_on_test_sets(network.to(context.device), int(entry.preprocessing["scale"]), context)


def measure_on_test_sets(network: SRCNN, scale: int, context: Context) -> dict[str, Any]:
    """What `evaluate` returns, for any network."""
    if context.data is None:
        raise ValueError("PSNR needs the test pictures: give --data")
    network.eval()
    set5 = read_folder(folder_of(context.data, "set5"))
    result: dict[str, Any] = {"scale": scale, "protocol": PROTOCOL}
    result["set5"] = {"n": len(set5), **measure(set5, scale, _restorer(network, context.device))}
    check_gate(result["set5"]["bicubic_psnr"], scale)
    if context.data.is_dir() and any(folder.name.lower() == "set14" for folder in context.data.iterdir()):
        set14 = read_folder(folder_of(context.data, "set14"))
        result["set14"] = {"n": len(set14), **measure(set14, scale, _restorer(network, context.device))}
    return result


def publish(config: SrcnnConfig, out: Path, context: Context, options: PublishOptions) -> str:
    """Measures the averaged network on Set5 and Set14, then stores it."""
    state = load(out / options.checkpoint)
    network = SRCNN(config.kernels, config.channels)
    network.load_state_dict(state["ema"])
    result = measure_on_test_sets(network.to(context.device), config.scale, context)
    name = options.name or f"srcnn_x{config.scale}"
    sets = [key for key in ("set5", "set14") if key in result]
    publish_weight(
        name,
        network.state_dict(),
        task="upscale",
        network={"name": "srcnn", "kernels": list(config.kernels), "channels": list(config.channels)},
        preprocessing={
            "scale": config.scale,
            "input": "Y of BT.601 in [16, 235] / 255, enlarged by MATLAB's bicubic",
        },
        labels=None,
        recipe=RECIPE.name,
        command=command_of(RECIPE.name, config),
        dataset=DATASET,
        licence="Apache-2.0",
        seed=config.seed,
        hardware=state["hardware"],
        hours=round(state["seconds"] / 3600, 2),
        metric={
            "name": "PSNR on Y, dB",
            "value": {key: round(result[key]["psnr"], 2) for key in sets}
            | {f"{key}_bicubic": round(result[key]["bicubic_psnr"], 2) for key in sets},
            "protocol": PROTOCOL,
            "split": f"{' and '.join(sets)}; the checkpoint was chosen on pictures held out of T91",
            "n": sum(result[key]["n"] for key in sets),
            "command": f"python -m train evaluate {name} --data DIR --json",
        },
        notes=_NOTES,
        weights_dir=options.weights_dir,
    )
    return name


RECIPE = Recipe(
    name="srcnn",
    dataset=DATASET,
    goal="Set5 PSNR 36.66 / 32.75 / 30.48 dB at x2 / x3 / x4 (Dong et al. 2016)",
    weights=("srcnn_x2", "srcnn_x3", "srcnn_x4"),
    config=SrcnnConfig,
    dry_run={"channels": (8, 4), "batch_size": 4, "float32_steps": 1, "crop_px": 24},
    build=build,
    publish=publish,
    evaluate=evaluate,
)
