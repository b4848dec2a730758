"""Dreams: seconds, the first preview, a step beside neural-dream's algorithm, and memory: `python -m bench.dream`.

The peer is the algorithm of ProGamerGov's neural-dream at its defaults, written here from its description: the picture
is rolled round by up to 32 px, the network runs to the deepest layer asked for, and Adam takes the step, without
Laplacian or Fourier smoothing. It gets the same weights, in float32 and with their BatchNorms, as they are published,
and the same objective. Both take the same threads. Each figure is a median of interleaved rounds, once as the machine
is and once beside a process that keeps a core busy. Memory is the peak of a process that does nothing but one dream.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import Tensor

from bench.load import busy_processes, found
from bench.machine import cpu_name, versions
from cvdemo.dream.colour import Tone
from cvdemo.dream.deepdream import FOURIER, DreamConfig, Octave, ascend
from cvdemo.dream.network import load_dream_network
from cvdemo.dream.objectives import Objective
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import DreamRequest, run_dream
from cvdemo.images import ImageArray, Preprocessing, normalise, read_image, to_tensor
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.weights import entry_of, load_state_dict

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "coffee.jpg"
SIZE_WH = (512, 288)
LARGE_WH = (4000, 3000)  # 12 megapixels
JITTER_PX, LEARNING_RATE = 32, 1.5 / 255  # neural-dream's; its pixels reach 255
DREAM_TARGET_S, PREVIEW_TARGET_S, STEP_TARGET, MEMORY_TARGET_MB = 2.5, 0.3, 0.8, 2000
STEPS_A_ROUND = 5
WAYS = USUAL, EVERYTHING = "usual", "everything"  # of the large dream
HEADINGS = ("| | as the machine is | beside a busy process | at most |", "|---|---:|---:|---:|")


@dataclass(frozen=True)
class Times:
    """Medians: seconds of a dream and of its first preview, CPU milliseconds of a step of ours and of the peer's."""

    dream_s: float
    preview_s: float
    step_ms: float
    peer_ms: float


class Peer:
    """neural-dream's step, on the same weights.

    Args:
        pixels: (1, 3, H, W) in [0, 1], what is dreamed on.
    """

    def __init__(self, pixels: Tensor, objective: Objective) -> None:
        entry = entry_of(BACKBONE)
        network = EfficientNetLite(num_classes=entry.network["num_classes"])
        network.load_state_dict(load_state_dict(BACKBONE))
        self.network = network.eval().requires_grad_(False)
        self.preprocessing = Preprocessing.from_manifest(entry.preprocessing)
        self.objective = objective
        self.pixels = pixels.clone().requires_grad_()
        self.adam = torch.optim.Adam([self.pixels], lr=LEARNING_RATE)

    def step(self) -> None:
        """One step of gradient ascent."""
        self.adam.zero_grad()
        shifts = torch.randint(-JITTER_PX, JITTER_PX + 1, (2,)).tolist()
        rolled = torch.roll(self.pixels, shifts, dims=(2, 3))
        maps = self.network.features(normalise(rolled, self.preprocessing), self.objective.layers)
        (self.pixels.grad,) = torch.autograd.grad(-self.objective.value(maps), self.pixels)
        self.adam.step()
        with torch.no_grad():
            self.pixels.clamp_(0, 1)


def our_step(pixels: Tensor, config: DreamConfig) -> Callable[[], None]:
    """This project's step from the same pixels."""
    octave = Octave(load_dream_network("cpu"), config.goal, Tone.of(pixels))
    generator = torch.Generator().manual_seed(0)
    state = [pixels]

    def step() -> None:
        state[0], _ = ascend(state[0], octave, config, generator)

    return step


def picture(size_wh: tuple[int, int]) -> ImageArray:
    """The example at a size."""
    resized = cv2.resize(read_image(PICTURE), size_wh, interpolation=cv2.INTER_AREA)
    return resized.astype("uint8")


def dream_seconds(image: ImageArray, config: DreamConfig) -> tuple[float, float]:
    """Of a whole dream, and until its first preview."""
    request = DreamRequest(image=image, config=config, device="cpu", preview_every_s=0.25)
    started, previews = time.perf_counter(), []
    for step in run_dream(request):
        if step.preview is not None:
            previews.append(time.perf_counter() - started)
    return time.perf_counter() - started, previews[0]


def milliseconds_a_step(step: Callable[[], None]) -> float:
    """CPU time of all threads, which other work on the machine hardly stretches."""
    started = time.process_time()
    for _ in range(STEPS_A_ROUND):
        step()
    return (time.process_time() - started) * 1000 / STEPS_A_ROUND


def times(config: DreamConfig, rounds: int) -> Times:
    """Medians of interleaved rounds, after one that is not timed."""
    image = picture(SIZE_WH)
    pixels = to_tensor(image)
    ours, peer = our_step(pixels, config), Peer(pixels, config.goal)
    measured: list[tuple[float, float, float, float]] = []
    for _ in range(rounds + 1):
        dream_s, preview_s = dream_seconds(image, config)
        measured.append((dream_s, preview_s, milliseconds_a_step(ours), milliseconds_a_step(peer.step)))
    return Times(*(statistics.median(column) for column in zip(*measured[1:], strict=True)))


def peak_mb(way: str) -> float:
    """The peak memory of a process of its own that dreams of `LARGE_WH`: "usual", or with "everything"."""
    command = [sys.executable, "-m", "bench.dream", "--only-dream-large", way]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def dream_large(config: DreamConfig, way: str) -> float:
    """Two octaves of two steps each at `LARGE_WH`: more steps need no more memory. Returns this process's peak in MB.

    Previews are asked for, as the page does. "everything" is a mask, a guide, Fourier space and half the strength too.
    """
    small = DreamConfig(objective=config.objective, layer=config.layer, octaves=2, steps=2, size_px=max(LARGE_WH))
    image = picture(LARGE_WH)
    request = DreamRequest(image=image, config=small, device="cpu", preview_every_s=0)
    if way == EVERYTHING:
        costly = replace(small, parameterisation=FOURIER, strength=0.5)
        request = replace(request, config=costly, mask=image[..., 0], guide=read_image(PICTURE))
    for _ in run_dream(request):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux tells KiB


def table(alone: Times, beside: Times, memory_mb: float, everything_mb: float) -> Iterator[str]:
    """Markdown, a line at a time."""
    yield from HEADINGS
    size = f"{SIZE_WH[0]} x {SIZE_WH[1]} px"
    yield f"| dream, {size}, default, s | {alone.dream_s:.2f} | {beside.dream_s:.2f} | {DREAM_TARGET_S} |"
    yield f"| its first preview, s | {alone.preview_s:.2f} | {beside.preview_s:.2f} | {PREVIEW_TARGET_S} |"
    yield f"| a step, CPU ms | {alone.step_ms:.0f} | {beside.step_ms:.0f} | |"
    yield f"| a step of neural-dream's algorithm, CPU ms | {alone.peer_ms:.0f} | {beside.peer_ms:.0f} | |"
    ratios = [f"{each.step_ms / each.peer_ms:.2f}" for each in (alone, beside)]
    yield f"| our step, times theirs | {ratios[0]} | {ratios[1]} | {STEP_TARGET} |"
    megapixels = LARGE_WH[0] * LARGE_WH[1] / 1e6
    yield f"| peak memory at {megapixels:g} megapixels, MB | {memory_mb:.0f} | | {MEMORY_TARGET_MB} |"
    yield f"| the same with mask, guide, Fourier space and half the strength, MB | {everything_mb:.0f} | | |"


def main(argv: list[str] | None = None) -> None:
    """Prints the load found, the table, and what it was measured on."""
    parser = argparse.ArgumentParser(prog="python -m bench.dream", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of which the median is taken")
    parser.add_argument("--only-dream-large", choices=WAYS, help="print the peak memory of this process, in MB")
    args = parser.parse_args(argv)
    config = PRESETS[DEFAULT_PRESET]
    if args.only_dream_large is not None:
        print(dream_large(config, args.only_dream_large))
        return
    print(found())
    contexts: list[AbstractContextManager[None]] = [nullcontext(), busy_processes()]
    results = []
    for context in contexts:
        with context:
            results.append(times(config, args.rounds))
    alone, beside = results
    print("\n".join(table(alone, beside, *map(peak_mb, WAYS))))
    told = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"\n{cpu_name()}, {torch.get_num_threads()} threads, median of {args.rounds} rounds; {told}")


if __name__ == "__main__":
    main()
