"""Style transfer: the rows of its targets, measured in one run on free cores and beside one busy process.

`python -m bench.style [--rows NAME ...]` prints the table. `python -m bench.style --compare DIR` compares variants of
the losses instead, at equal seconds or with `--steps` at equal steps; see `bench.style_variants`.

A recognisable preview is one whose style loss is at most half of what it was before the first step; the first preview
comes sooner. Steps are whole ones, Adam and averaging included, in turns with those on VGG-19: Gram matrices of relu1_1
to relu5_1 and content on relu4_2, with random weights, which take as long as trained ones. The bare network's step is
forward and backward to block 8, of the same picture without the border of our views. Memory is the peak of a process of
its own, which keeps as many views of the content as a scale of many steps.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from bench.contention import ROOT, SETTLED_S
from bench.load import busy_processes, found
from bench.machine import cpu_name, versions
from bench.style_variants import compare
from cvdemo import backends, demos
from cvdemo.errors import WeightsError
from cvdemo.images import read_image, resize, to_image, to_tensor
from cvdemo.nets.backbone import load_backbone
from cvdemo.runtime import usable_cores
from cvdemo.style.feed_forward import InstantConfig, instant_style, load_painter
from cvdemo.style.losses import gram_matrix
from cvdemo.style.optimise import StyleConfig, whole_gradient
from cvdemo.style.painting import Gradient, Painting
from cvdemo.style.run import StyleRequest
from cvdemo.style.targets import SHIFTS, STEPS_A_VIEW, Losses, make_targets

PICTURE = ROOT / "examples" / "coffee.jpg"
STYLE = ROOT / "examples" / "styles" / "night_swirls.jpg"
PREVIEW_EVERY_S = 0.1
RECOGNISABLE = 0.5  # of the style loss before the first step
STEP_PX, STEPS, ROUNDS = 256, 5, 5
VGG_STYLE = (1, 6, 11, 20, 29)  # relu1_1 to relu5_1 among torchvision's `vgg19().features`
VGG_CONTENT = 22  # relu4_2
LARGE_PX, LARGE_STEPS = 2048, 2
LARGE_SCALE_STEPS = SHIFTS * STEPS_A_VIEW  # planned, so that all views are kept
CHILD_LIMIT_S = 600
COMPARED_SCALES = 3


@dataclass(frozen=True)
class Target:
    """One row of the table.

    Attributes:
        measure: in the unit; None where it cannot be measured here.
        limit: of the target; least says whether it is a lower one.
    """

    name: str
    measure: Callable[[], float | None]
    limit: float
    unit: str
    least: bool = False

    def row(self, free: float | None, busy: float | None) -> str:
        """Markdown: the values on free cores and beside a busy process, and whether the former meets the target."""
        word = "at least" if self.least else "at most"
        cells = ["not measured" if value is None else f"{value:.2f} {self.unit}" for value in (free, busy)]
        met = "" if free is None else "yes" if (free >= self.limit) == self.least or free == self.limit else "no"
        return f"| {self.name} | {' | '.join(cells)} | {word} {self.limit:g} {self.unit} | {met} |"


def request(config: StyleConfig, preview_every_s: float | None = None) -> StyleRequest:
    """The usual pair, on the CPU."""
    pair = read_image(PICTURE), read_image(STYLE)
    return StyleRequest(content=pair[0], style=pair[1], config=config, preview_every_s=preview_every_s, device="cpu")


def whole_seconds() -> float:
    """Of a style of 512 px at the defaults."""
    started = time.monotonic()
    for _ in backends.run(request(StyleConfig(size=512))):
        pass
    return time.monotonic() - started


def preview_seconds() -> float | None:
    """Until a preview of the page's usual request is recognisable; None where none was."""
    started, first = time.monotonic(), None
    for step in backends.run(request(StyleConfig(size=1024, seconds=15), PREVIEW_EVERY_S)):
        loss = step.measures["style_loss"]
        first = loss if first is None else first
        if step.preview is not None and loss <= RECOGNISABLE * first:
            return time.monotonic() - started
    return None


def step_ratio() -> float:
    """How many of our steps of a square of 256 px are done in the time of one on VGG-19, in turns."""
    content, style = step_pictures()
    ours, theirs = (Painting(content, 0.02) for _ in range(2))
    gradient, on_vgg = our_gradient(content, style), vgg_gradient(content, style)
    return 1 / time_ratio(lambda: ours.step(gradient), lambda: theirs.step(on_vgg))


def bare_ratio() -> float:
    """How much longer one of our steps of a square of 256 px takes than the bare network, in turns."""
    content, style = step_pictures()
    painting, gradient = Painting(content, 0.02), our_gradient(content, style)
    return time_ratio(lambda: painting.step(gradient), lambda: bare_step(content), rounds=4 * ROUNDS)


def step_pictures() -> tuple[Tensor, Tensor]:
    content, style = (resize(to_tensor(read_image(path)), (STEP_PX, STEP_PX)) for path in (PICTURE, STYLE))
    return content, style


def bare_step(content: Tensor) -> None:
    """Forward and backward through the layers that a step takes."""
    pixels = content.detach().requires_grad_()
    (maps,) = load_backbone("cpu").features(pixels, ["block8"]).values()
    torch.autograd.grad(maps, pixels, torch.ones_like(maps))


def time_ratio(one: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of the one over that of the other, on all cores, in turns."""
    torch.set_num_threads(usable_cores())
    times: list[list[float]] = [[], []]
    for round_ in range(rounds + 1):
        for act, own in zip((one, other), times, strict=True):
            started = time.perf_counter()
            for _ in range(STEPS):
                act()
            if round_:  # the first one also prepares the network's memory
                own.append(time.perf_counter() - started)
    first, second = map(statistics.median, times)
    return first / second


def our_gradient(content: Tensor, style: Tensor) -> Gradient:
    """That of a step of the page."""
    network, config = load_backbone("cpu"), StyleConfig()
    targets = make_targets(content, style, network, torch.Generator().manual_seed(0))
    return lambda pixels, step: whole_gradient(pixels, targets, step, network, config)


def vgg_gradient(content: Tensor, style: Tensor) -> Gradient:
    """That of L. Gatys et al. on VGG-19 to relu5_1, with random weights."""
    from torchvision.models import vgg19

    layers = vgg19(weights=None).features[: VGG_STYLE[-1] + 1].eval().requires_grad_(False)
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False

    def maps(pixels: Tensor) -> dict[int, Tensor]:
        seen: dict[int, Tensor] = {}
        for index, layer in enumerate(layers):
            pixels = layer(pixels)
            if index in (*VGG_STYLE, VGG_CONTENT):
                seen[index] = pixels
        return seen

    with torch.no_grad():
        wanted, grams = maps(content)[VGG_CONTENT], {i: gram_matrix(maps(style)[i]) for i in VGG_STYLE}

    def gradient(pixels: Tensor, step: int) -> tuple[Tensor, Losses]:
        variable = pixels.detach().requires_grad_()
        seen = maps(variable)
        strokes = torch.stack([(gram_matrix(seen[i]) - grams[i]).square().mean() for i in VGG_STYLE]).sum()
        shapes = (seen[VGG_CONTENT] - wanted).square().mean()
        (found,) = torch.autograd.grad(strokes + shapes, variable)
        return found, Losses(shapes.detach(), strokes.detach(), torch.zeros(()))

    return gradient


def instant_seconds() -> float | None:
    """Of the instant style at 512 px, loaded before; None where its weight is not on this machine."""
    try:
        load_painter("cpu")
    except WeightsError:
        return None
    content, style = read_image(PICTURE), read_image(STYLE)
    torch.set_num_threads(usable_cores())
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        instant_style(content, style, InstantConfig(size=512), load_painter("cpu"))
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def peak_gigabytes() -> float:
    """Of a process that takes two steps at 2,048 px, the program and its libraries included: GB, of 10^9 bytes."""
    command = [sys.executable, "-m", "bench.style", "--peak"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CHILD_LIMIT_S, check=True)
    return float(done.stdout) * 1024**2 / 1e9


def print_peak() -> None:
    """The peak of this process in MB, after the steps; previews are asked for, as the page does."""
    config = StyleConfig(size=LARGE_PX, scales=1, steps=LARGE_SCALE_STEPS)
    square = to_image(resize(to_tensor(read_image(PICTURE)), (LARGE_PX, LARGE_PX)))
    # without the backend, whose worker would still be at its next step when the process ends
    request = StyleRequest(content=square, style=read_image(STYLE), config=config, device="cpu", preview_every_s=0)
    steps = demos.run(request)
    for _ in islice(steps, LARGE_STEPS):
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compared_config(args: argparse.Namespace) -> StyleConfig:
    """What all variants of a comparison have in common."""
    if args.steps is None:
        return StyleConfig(size=args.size, seconds=args.seconds)
    return StyleConfig(size=args.size, steps=args.steps, scales=COMPARED_SCALES)


TARGETS: Mapping[str, Target] = {
    "default": Target("style, 512 px, at the defaults", whole_seconds, 15, "s"),
    "preview": Target("a recognisable preview", preview_seconds, 1, "s"),
    "steps": Target("steps a second against VGG-19 to relu5_1, 256 px", step_ratio, 10, "x", least=True),
    "bare": Target("a step against the bare network, 256 px", bare_ratio, 1.25, "x"),
    "instant": Target("instant style, 512 px", instant_seconds, 1, "s"),
    "memory": Target("peak memory, 2,048 px square", peak_gigabytes, 2, "GB"),
}


def main(argv: list[str] | None = None) -> None:
    """Prints the load found and the table, or compares variants."""
    parser = argparse.ArgumentParser(prog="python -m bench.style", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--compare", type=Path, metavar="DIR", help="compare variants; results are kept in DIR")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each picture that is compared")
    parser.add_argument("--steps", type=int, help="of each of three scales, instead of seconds")
    parser.add_argument("--size", type=int, default=256, help="px, longer side of the pictures that are compared")
    parser.add_argument("--pairs", type=int, default=36, help="of a content and a style, 36 at most")
    parser.add_argument("--stop-after", type=float, default=math.inf, help="minutes; no pair is begun later")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.peak:
        print_peak()
        return
    print(found())
    if args.compare is not None:
        print(compare(args.compare, compared_config(args), args.pairs, stop_after_s=60 * args.stop_after))
        return
    print("| measured | free cores | beside one busy process | target | met |\n|---|---:|---:|---:|---|")
    for name in args.rows:
        target = TARGETS[name]
        values = []
        for others in (nullcontext, busy_processes):
            with others():
                time.sleep(SETTLED_S)
                values.append(target.measure())
        print(target.row(values[0], values[1]), flush=True)
    told = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"\n{usable_cores()} usable cores of {cpu_name()}; {told}")


if __name__ == "__main__":
    main()
