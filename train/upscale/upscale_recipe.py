"""What the recipes of super-resolution networks share: their data, the measure on Set5 and Set14, and publishing.

`--data DIR` holds folders of pictures: `t91`; `bsds`, with `train` and `test` in it or as BSDS500 unpacks (--no-bsds
does without); and `set5` and `set14` to measure on. `WHERE` tells where they come from. The `val` pictures of BSDS500
are the test set B100: they are never read. Patches are cut once, into `DIR/patches_240.h5`, which all scales and
networks share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch

from cvdemo.upscale.network import make_network
from cvdemo.weights import entry_of, load_state_dict
from train.data.hdf5 import Hdf5Dataset
from train.data.read_pictures import drop_repeated, each_read, picture_files
from train.engine.checkpoint import BEST, hours_of, load
from train.engine.monitor import curves_of
from train.engine.progress import Progress
from train.engine.writing import kept_at
from train.publishing.lineage import changed_on_the_way, settings_of
from train.publishing.publish import paragraphs
from train.publishing.publish import publish as publish_weight
from train.publishing.recipe import Context, PublishOptions, command_of
from train.upscale.degradation import PROTOCOL, check_gate, measure, read_colour, read_folder, read_luminance
from train.upscale.patches import GRID_PX, cut, noise_patches, packed_patches
from train.upscale.upscale_task import Network, Scale, UpscaleTask, UpscaleTrainingConfig, restorer

T91 = "T91, the 91 training pictures of the SRCNN paper (Yang et al. 2010), without every 15th, which are held out"
BSDS = "train and test of BSDS500 (Arbelaez et al. 2011), without 302003, which Set5's woman is cut from"
WHERE = (
    "DIR holds the folders t91, bsds, set5 and set14; T91, Set5 and Set14 come with the authors' code, "
    "mmlab.ie.cuhk.edu.hk/projects/SRCNN.html; BSDS500: www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping"
)

_HELD_OUT_EVERY = 15  # every 15th picture of T91 by name chooses the checkpoint: 7 of 91
_IN_A_TEST_SET = {"302003"}  # of BSDS500 train: the photograph that Set5's woman.png is cut from
_INPUTS = {
    "srcnn": "Y of BT.601 in [16, 235] / 255, enlarged by MATLAB's bicubic",
    "fast_srcnn": "Y of BT.601 in [16, 235] / 255, low resolution; what comes out is added to MATLAB's bicubic",
}


def folder_of(data: Path, *names: str) -> Path:
    """The folder of one of these names in `data`, or `data` itself where that is its name; T91 and t91 are the same.

    Raises:
        FileNotFoundError: neither is there.
    """
    if data.is_dir():
        for folder in (data, *sorted(data.iterdir())):
            if folder.name.lower() in names and folder.is_dir():
                return folder
    raise FileNotFoundError(f"{data} holds no folder {names[0]!r}. {WHERE}")


def bsds_folders(data: Path) -> list[Path]:
    """The folders `train` and `test` of BSDS500; never `val`.

    Raises:
        FileNotFoundError: they are not there.
    """
    root = folder_of(data, "bsds", "bsds500")
    for inside in ("", "BSDS500/data/images", "data/images", "images"):
        folders = [root / inside / split for split in ("train", "test")]
        if all(folder.is_dir() for folder in folders):
            return folders
    raise FileNotFoundError(f"{root} holds no folders train and test, neither in BSDS500/data/images")


def training_files(data: Path, *, bsds: bool) -> tuple[dict[str, list[Path]], list[Path]]:
    """Files to train on by data set, and those of T91 held out.

    Raises:
        FileNotFoundError: folders are missing.
    """
    t91 = picture_files(folder_of(data, "t91"))
    held_out = t91[::_HELD_OUT_EVERY]
    # T91 has a picture twice; what is held out is not trained on under another name
    sources = {"T91": drop_repeated(held_out + t91)[len(held_out) :]}
    if bsds:
        for folder in bsds_folders(data):
            files = picture_files(folder)
            sources[f"BSDS500 {folder.name}"] = [path for path in files if path.stem not in _IN_A_TEST_SET]
    return sources, held_out


def build(config: UpscaleTrainingConfig, context: Context, make: type[UpscaleTask] = UpscaleTask) -> UpscaleTask:
    """The task on the context's data, which are packed first where they are not; on noise without data."""
    if context.data is None:
        noise = noise_patches(4, config.patch_px, config.seed, colour=config.colour)
        picture = torch.rand(1, 3 if config.colour else 1, 48, 48)
        return make(config, noise, {"noise": picture}, context.device, context.amp)
    sources, held_out = training_files(context.data, bsds=config.bsds)
    refuse_early(config)
    counter = Progress(sum(map(len, sources.values()))).counter("pictures cut")
    target = patches_file(config, context.data, context.cache)
    packed_patches(context.data, sources, target, config.patch_px, config.shrink, counter, colour=config.colour)
    read = each_read(held_out, read_colour if config.colour else read_luminance)
    pictures = {path.name: picture for path, picture in zip(held_out, read, strict=True)}
    task = make(config, Hdf5Dataset(target), pictures, context.device, context.amp)
    task.trained_on = {name: len(files) for name, files in sources.items()} | {"held out": len(held_out)}
    return task


def refuse_early(config: UpscaleTrainingConfig) -> None:
    """Refuses settings before patches are cut: the task is made with a few of noise.

    Raises:
        ValueError: sizes that do not fit together, or a start that there is not.
    """
    noise = noise_patches(4, config.patch_px, config.seed)
    list(cut(torch.zeros(1, 1, GRID_PX, GRID_PX), config.patch_px, config.shrink))
    UpscaleTask(replace(config, epochs=0, steps=1), noise, {}, torch.device("cpu"), False)


def patches_file(config: UpscaleTrainingConfig, data: Path, cache: Path | None) -> Path:
    """The file of patches in the data's folder, or in `cache` where that cannot be written and holds none.

    Raises:
        PermissionError: there is no place for it.
    """
    kind = "_colour" if config.colour else ""
    beside = data / f"patches_{config.patch_px}{kind}{'' if config.bsds else '_t91'}.h5"
    target = kept_at(beside, cache)
    if target is None and not beside.exists():
        raise PermissionError(f"patches are kept in {beside}, which cannot be written: give a copy of the data")
    return target or beside


def trained_words(config: UpscaleTrainingConfig, trained_on: Mapping[str, int]) -> str:
    """The training pictures with their numbers; of a checkpoint of an earlier version, which holds none, in words."""
    if not trained_on:
        return f"{T91}, and {BSDS}" if config.bsds else T91
    t91 = f"T91 (Yang et al. 2010), {trained_on['T91']} pictures, and {trained_on['held out']} more that are held out"
    counts = [trained_on.get(f"BSDS500 {part}", 0) for part in ("train", "test")]
    return f"{t91}; and {BSDS}, {counts[0]} and {counts[1]} pictures" if config.bsds else t91


def published(name: str) -> tuple[Network, int]:
    """The network of a weight of the manifest, and its scale."""
    entry = entry_of(name)
    network = make_network(entry.network)
    network.load_state_dict(load_state_dict(name))
    return network, int(entry.preprocessing["scale"])


def measure_on_test_sets(network: Network, scale: int, context: Context) -> dict[str, Any]:
    """What `evaluate` returns, for any network."""
    if context.data is None:
        raise ValueError("PSNR needs the test pictures: give --data")
    restore = restorer(network.eval(), context.device)
    set5 = read_folder(folder_of(context.data, "set5"))
    result: dict[str, Any] = {"scale": scale, "protocol": PROTOCOL}
    result["set5"] = {"n": len(set5), **measure(set5, scale, restore)}
    check_gate("set5", result["set5"]["bicubic_psnr"], scale)
    if context.data.is_dir() and any(folder.name.lower() == "set14" for folder in context.data.iterdir()):
        set14 = read_folder(folder_of(context.data, "set14"))
        result["set14"] = {"n": len(set14), **measure(set14, scale, restore)}
        check_gate("set14", result["set14"]["bicubic_psnr"], scale)
    return result


@dataclass(frozen=True, kw_only=True)
class UpscaleRecipe:
    """A `Recipe` for a super-resolution network: what one adds to the shared machinery.

    Attributes:
        name: on the command line.
        goal: the number it must reach, in words.
        config: says which network and under which name it is published.
        dry_run: see `Recipe`.
        notes: Markdown for the card.
    """

    name: str
    goal: str
    config: type[UpscaleTrainingConfig]
    dry_run: dict[str, Any]
    notes: str
    losses = ("loss",)
    dataset = f"{T91}, and {BSDS}"
    where = WHERE
    download = None

    @property
    def weights(self) -> tuple[str, ...]:
        return tuple(self.config(scale=scale).weight for scale in get_args(Scale))

    def build(self, config: UpscaleTrainingConfig, context: Context) -> UpscaleTask:
        """See `build`."""
        return build(config, context)

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """What `measured` gives of a published network."""
        network, scale = published(name)
        return self.measured(network.to(context.device), scale, context)

    def measured(self, network: Network, scale: int, context: Context) -> dict[str, Any]:
        """See `measure_on_test_sets`."""
        return measure_on_test_sets(network, scale, context)

    def preprocessing(self, config: UpscaleTrainingConfig) -> dict[str, Any]:
        """The manifest's `preprocessing`."""
        return {"scale": config.scale, "input": _INPUTS[config.network["name"]]}

    def publish(self, config: UpscaleTrainingConfig, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the averaged network on Set5 and Set14, then stores it."""
        state, hours = load(out / options.checkpoint), hours_of(out)
        network = make_network(config.network)
        network.load_state_dict(state["ema"])
        result = self.measured(network.to(context.device), config.scale, context)
        name = options.name or config.weight
        chosen = f"step {state['step']} of {config.steps}"
        chosen += ", chosen on pictures held out of T91" if options.checkpoint == BEST else ""
        curves = f"![Curves of the training]({name}_curves.png)"
        publish_weight(
            name,
            network.state_dict(),
            task=options.task("upscale"),
            network=config.network,
            preprocessing=self.preprocessing(config),
            labels=None,
            recipe=self.name,
            command=command_of(self.name, config),
            dataset=trained_words(config, state.get("trained_on") or {}),
            licence="Apache-2.0",
            seed=config.seed,
            hardware=state["hardware"],
            hours=hours,
            settings=settings_of(asdict(config)),
            earlier=tuple(state.get("earlier", ())),
            metric=_metric(name, result, chosen),
            notes=paragraphs(self.notes, changed_on_the_way(state), curves),
            files={f"{name}_curves.png": curves_of(out, UpscaleTask.metric, True)},
            weights_dir=options.weights_dir,
        )
        return name


def _metric(name: str, result: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """The manifest's `metric` of a result of `measure_on_test_sets`; `chosen` tells the step, and by what."""
    sets = [key for key, scores in result.items() if isinstance(scores, Mapping)]
    value = {key: round(result[key]["psnr"], 2) for key in sets}
    for other in ("bicubic", "clean"):
        value |= {
            f"{key}_{other}": round(result[key][f"{other}_psnr"], 2) for key in sets if f"{other}_psnr" in result[key]
        }
    value |= {f"{key}_ssim": round(result[key]["ssim"], 4) for key in sets}
    return {
        "name": "PSNR on Y, dB; ssim: SSIM",
        "value": value,
        "protocol": result["protocol"],
        "split": f"{' and '.join(sets)}; {chosen}; which of several runs is published by these sets too",
        "n": sum(result[key]["n"] for key in sets),
        "command": f"python -m train evaluate {name} --data DIR --json",
    }
