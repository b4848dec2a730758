"""`python -m train look`: into a trained classifier: how its training went, first filters, maps of a picture, and what
excites its channels.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from cvdemo.classify.classifier import Classifier, Member, load_network
from cvdemo.classify.explain import crop_of
from cvdemo.classify.feature_maps import chosen_layer, contact_sheet, strongest_channels
from cvdemo.images import ImageArray, Preprocessing, read_image
from cvdemo.nets.build import CLASSIFIERS
from cvdemo.nets.map_layers import MapLayer, map_layers
from cvdemo.ops.heatmap import repeat_pixels
from cvdemo.weights import WEIGHTS_DIR, entry_of, load_labels
from train.data.picture_files import picture_files
from train.engine.config_options import add_config_options, config_from
from train.engine.curves import description_of
from train.engine.device import pick_device
from train.engine.monitor import CURVES_FILE, curves_of
from train.engine.progress import Progress
from train.engine.writing import make_folder, write_whole
from train.publishing.architecture import table_of
from train.publishing.curves_card import curves_file
from train.tools.excite import TILE_PX, AscentConfig, Find, by_ascent, by_data, find_tiles

FILTER_PX = 72  # a filter is enlarged, pixel by pixel, to this or a little more
_MAPS = 23  # channels on a sheet


@dataclass(frozen=True)
class Look:
    """What is looked into, and where what is seen goes."""

    classifier: Classifier
    layers: list[MapLayer]
    out: Path

    def save(self, name: str, picture: ImageArray) -> None:
        """Writes a picture into the folder and says so."""
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "PNG", optimize=True)
        self.save_file(name, stream.getvalue())

    def save_file(self, name: str, content: bytes) -> None:
        """Writes a file into the folder and says so."""
        write_whole(self.out / name, content)
        print(f"wrote {self.out / name}")


def main(argv: list[str]) -> None:
    """Writes the pictures that are asked for.

    Raises:
        ValueError: the weight is no classifier.
        InputError: it has no such layer or channel.
        FileNotFoundError: the folder given as --run holds no records of a run.
    """
    args = _parser().parse_args(argv)
    look = open_look(args.name, args.out or Path("runs") / f"look_{args.name}", args.device)
    picture = read_image(args.picture)
    show_training(look, args.name, args.run)
    look.save("filters.png", filter_sheet(look.classifier.network))
    wanted = [chosen_layer(args.layer, look.layers)] if args.layer else look.layers
    for layer in wanted:
        sheet = strongest_channels(crop_of(picture, look.classifier), look.classifier, layer, _MAPS)
        look.save(f"maps_{layer.block}.png", sheet.picture())
    layer = chosen_layer(args.layer, look.layers)
    seen = strongest_channels(crop_of(picture, look.classifier), look.classifier, layer, args.strongest)
    channels = args.channel or [each.channel for each in seen.maps]
    show_ascents(look, layer, channels, config_from(args, AscentConfig))
    if args.data is not None:
        show_finds(look, layer, channels, picture_files(args.data), args.pictures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train look", description=__doc__)
    parser.add_argument("name", help="a classifier of the manifest")
    parser.add_argument("--picture", type=Path, required=True, help="whose feature maps are shown")
    parser.add_argument("--out", type=Path, help="folder for the pictures; default: runs/look_NAME")
    parser.add_argument("--run", type=Path, help="folder of the run whose curves are shown; default: those published")
    parser.add_argument("--layer", default="", help="the only one; default: maps of all, channels of the middle one")
    parser.add_argument("--channel", type=int, nargs="+", help="what excites these; default: those of --strongest")
    parser.add_argument("--strongest", type=int, default=4, help="so many channels, the strongest in the picture")
    parser.add_argument("--data", type=Path, help="folder of pictures to find those in that excite the channels most")
    parser.add_argument("--pictures", type=int, default=8, help="so many of them for each channel")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    add_config_options(parser, AscentConfig)
    return parser


def open_look(name: str, out: Path, device: str = "auto") -> Look:
    """A classifier of the manifest, its layers, and a folder that can be written.

    Raises:
        ValueError: the weight is no classifier.
    """
    entry = entry_of(name)
    if entry.network["name"] not in CLASSIFIERS:
        raise ValueError(f"{name} is no classifier: only those can be looked into")
    make_folder(out)
    target = pick_device(device)
    network = load_network(name).to(target)
    member = Member(network, Preprocessing.from_manifest(entry.preprocessing))  # type: ignore[arg-type]  # a classifier
    return Look(Classifier((member,), load_labels(name), target), map_layers(table_of(entry)), out)


def show_training(look: Look, name: str, run: Path | None = None) -> None:
    """The curves of a run, or those published with the weight; says when training diverged and the gap widened."""
    published = WEIGHTS_DIR / curves_file(name)
    if run is None and not published.exists():
        print(f"no curves of the training of {name} were kept; --run DIR shows those of a run")
        return
    curves = published.read_bytes() if run is None else curves_of(run)
    look.save_file(CURVES_FILE, curves)
    print(description_of(curves))


def filter_sheet(network: nn.Module) -> ImageArray:
    """The filters of the first convolution as pictures: middle grey is 0, the largest weight of each is at the end."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    weights = first.weight.detach().cpu()  # (C_out, C_in, k, k)
    largest = weights.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    grey = (127.5 + 127.5 * weights / largest).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    if grey.shape[3] not in (1, 3):  # of a network that reads no pictures
        raise ValueError(f"the first convolution reads {grey.shape[3]} channels: its filters are no pictures")
    tiles = [repeat_pixels(each.repeat(3 // grey.shape[3], axis=2), FILTER_PX) for each in grey]
    return contact_sheet([(tile, str(number)) for number, tile in enumerate(tiles)], columns=8)


def show_ascents(look: Look, layer: MapLayer, channels: Sequence[int], config: AscentConfig) -> None:
    """One sheet with the picture that excites each channel most, found by ascent."""
    tiles = []
    for channel in channels:
        picture, reached = by_ascent(look.classifier, layer, channel, config)
        tiles.append((repeat_pixels(picture, TILE_PX), f"channel {channel}: {reached:.3g}"))
    look.save(f"excites_{layer.block}_by_ascent.png", contact_sheet(tiles))


def show_finds(look: Look, layer: MapLayer, channels: Sequence[int], files: Sequence[Path], count: int) -> None:
    """For each channel a sheet of the pictures that excite it most, each beside the patch that does."""
    progress = Progress(len(files))

    def read() -> Iterator[ImageArray]:
        for number, file in enumerate(files, start=1):
            yield read_image(file)
            progress.update(number, "pictures")

    finds = by_data(read(), look.classifier, layer, channels, count)
    progress.close()
    for channel in channels:
        look.save(f"excites_{layer.block}_{channel}_by_data.png", _sheet(look, layer, finds[channel], files))


def _sheet(look: Look, layer: MapLayer, finds: Sequence[Find], files: Sequence[Path]) -> ImageArray:
    tiles = list[tuple[ImageArray, str]]()
    for find in finds:
        file = files[find.number]
        tiles += find_tiles(find, file, read_image(file), look.classifier, layer)
    return contact_sheet(tiles)
