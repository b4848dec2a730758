"""Super-resolution: PSNR and SSIM beside the papers' figures, then CPU seconds a megapixel beside Pillow and OpenCV.

`python -m bench.upscale --data DIR`, with folders `set5` and `set14` in DIR; further folders of pictures there are
measured when named with `--sets`. By the papers' protocol (`train.upscale.degradation`); if bicubic on Set5 misses the
published figures, nothing is printed. Times are of whole RGB pictures, uint8 in and out, in CPU seconds, which other
work on the machine hardly stretches: median of interleaved rounds. The peers have one thread, the page as many as it
takes. They enlarge by bicubic or Lanczos; that is what a page would do without a network.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import PIL
import torch
from PIL import Image
from torch import Tensor

from cvdemo.demo import result_of
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.ops.bicubic_enlarge import enlarge
from cvdemo.runtime import PROCESS_THREADS
from cvdemo.upscale.catalogue import SCALES, list_networks
from cvdemo.upscale.network import Net, make_network, prepared, torch_engine
from cvdemo.upscale.run import UpscaleRequest, run_upscale
from cvdemo.upscale.upscale import UpscaleConfig, upscale_steps
from cvdemo.weights import entry_of, load_state_dict
from train.upscale.degradation import GATE_DB, PROTOCOL, check_gate, measure, read_folder
from train.upscale.upscale_recipe import folder_of

Resizer = Callable[[ImageArray], ImageArray]
Figures = dict[str, dict[str, dict[int, dict[str, float]]]]  # set, method, scale: psnr in dB and ssim

PEER = "OpenCV INTER_CUBIC"
# PSNR in dB and SSIM at x2, x3, x4. PSNR from the papers named; SSIM from the tables of Kim et al., CVPR 2016
# ("Accurate Image Super-Resolution Using Very Deep Convolutional Networks"), and for FSRCNN of Ahn et al., ECCV 2018
# ("Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network").
PAPERS: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {
    "set5": {
        "SRCNN 9-5-5 (Dong et al. 2016)": ((36.66, 0.9542), (32.75, 0.9090), (30.48, 0.8628)),
        "FSRCNN (Dong et al. 2016)": ((37.00, 0.9558), (33.16, 0.9140), (30.71, 0.8657)),
    },
    "set14": {
        "SRCNN 9-5-5 (Dong et al. 2016)": ((32.42, 0.9063), (29.28, 0.8209), (27.49, 0.7503)),
        "FSRCNN (Dong et al. 2016)": ((32.63, 0.9088), (29.43, 0.8242), (27.59, 0.7535)),
    },
}


def load(scale: int) -> dict[str, Net]:
    """The networks of the manifest for a scale, by their public names, on the CPU."""
    networks = {}
    for value, choice in list_networks(scale).items():
        networks[value] = make_network(entry_of(choice.weight).network).eval().requires_grad_(False)
        networks[value].load_state_dict(load_state_dict(choice.weight))
    return networks


def figures(sets: Mapping[str, Mapping[str, Tensor]]) -> Figures:
    """PSNR (dB) and SSIM of bicubic and of every network on every set; Set5, the gate, first.

    Raises:
        ValueError: bicubic on Set5 or Set14 is not what the papers have.
    """
    found: Figures = {name: {} for name in sets}
    for scale in SCALES:
        for name, pictures in sets.items():
            for value, network in load(scale).items():
                result = measure(pictures, scale, prepared(network, scale).restore)
                if name in GATE_DB:
                    check_gate(name, result["bicubic_psnr"], scale)
                bicubic = {"psnr": result["bicubic_psnr"], "ssim": result["bicubic_ssim"]}
                found[name].setdefault("bicubic", {})[scale] = bicubic
                found[name].setdefault(value, {})[scale] = {"psnr": result["psnr"], "ssim": result["ssim"]}
    return found


def resizers(scale: int) -> dict[str, Resizer]:
    """Every way to enlarge a picture by a scale."""

    def opencv(interpolation: int) -> Resizer:
        return lambda image: np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), dtype=np.uint8
        )

    def on_the_page(value: str) -> Resizer:
        config = UpscaleConfig(scale=scale, network=value)
        return lambda image: result_of(run_upscale(_request(image, config))).image

    def in_torch(network: Net) -> Resizer:
        ready, config = prepared(network, scale, engine=torch_engine(network)), UpscaleConfig(scale=scale)
        return lambda image: [step.image for step in upscale_steps(image, ready, config, with_bicubic=False)][-1]

    ways: dict[str, Resizer] = {
        "Pillow BICUBIC": lambda image: _pillow(image, scale),
        PEER: opencv(cv2.INTER_CUBIC),
        "OpenCV INTER_LANCZOS4": opencv(cv2.INTER_LANCZOS4),
        "our bicubic, equal to MATLAB's": lambda image: _our_bicubic(image, scale),
    }
    for value, network in load(scale).items():
        ways[f"{value}, torch"] = in_torch(network)
        ways[f"{value}, this project's page"] = on_the_page(value)
    return ways


def _request(image: ImageArray, config: UpscaleConfig) -> UpscaleRequest:
    return UpscaleRequest(image=image, config=config, with_bicubic=False, device="cpu")


def _pillow(image: ImageArray, scale: int) -> ImageArray:
    size_wh = image.shape[1] * scale, image.shape[0] * scale
    return np.array(Image.fromarray(image).resize(size_wh, Image.Resampling.BICUBIC))


def _our_bicubic(image: ImageArray, scale: int) -> ImageArray:
    with torch.inference_mode():
        return to_image(enlarge(to_tensor(image), scale))


def seconds_per_megapixel(ways: Mapping[str, Resizer], image: ImageArray, rounds: int) -> dict[str, float]:
    """Median CPU seconds for a megapixel of the result; each round runs every way once, after one that is not timed."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for index in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            height, width = way(image).shape[:2]
            elapsed_s = time.process_time() - start
            if index:
                times[name].append(elapsed_s / (height * width / 1e6))
    return {name: statistics.median(values) for name, values in times.items()}


def timed_picture(side_px: int) -> ImageArray:
    """Smooth noise, uint8 (side_px, side_px, 3); what is on a picture does not change its time."""
    coarse = np.random.default_rng(0).integers(0, 256, (max(1, side_px // 4), max(1, side_px // 4), 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((side_px, side_px), Image.Resampling.BICUBIC))


def quality_tables(found: Figures, counts: Mapping[str, int]) -> Iterator[str]:
    """One Markdown table a set: PSNR in dB / SSIM, and under them the published ones."""
    for name, methods in found.items():
        head = f"| {name}, {counts[name]} pictures: PSNR (dB) / SSIM | " + " | ".join(f"x{scale}" for scale in SCALES)
        lines = [head + " |", "|---|" + "---:|" * len(SCALES)]
        for method, by_scale in methods.items():
            cells = [
                f"{by_scale[scale]['psnr']:.2f} / {by_scale[scale]['ssim']:.4f}" if scale in by_scale else ""
                for scale in SCALES
            ]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
        for paper, published in PAPERS.get(name, {}).items():
            cells = [f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in published]
            lines.append(f"| published: {paper} | " + " | ".join(cells) + " |")
        yield "\n".join(lines)


def time_table(times: Mapping[int, Mapping[str, float]]) -> str:
    """Markdown: CPU seconds a megapixel of the result by scale, and in brackets how many times the peer's."""
    lines = ["| CPU s/megapixel | " + " | ".join(f"x{scale}" for scale in times) + " |", "|---|" + "---:|" * len(times)]
    for name in dict.fromkeys(name for ways in times.values() for name in ways):
        cells = [
            f"{ways[name]:.4f} ({ways[name] / ways[PEER]:.1f}x)" if name in ways else "" for ways in times.values()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine(rounds: int, side_px: int) -> dict[str, Any]:
    """What the times were measured on."""
    return {
        "result_px": [side_px, side_px],
        "rounds": rounds,
        "threads": 1,
        "threads_of_the_page": PROCESS_THREADS,
        "cpu_cores": os.cpu_count(),
        "versions": {
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
    }


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.upscale", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that set5 and set14 lie in")
    parser.add_argument("--sets", nargs="+", default=["set14"], help="folders measured beside set5 (default: set14)")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of which the median is taken")
    parser.add_argument("--side-px", type=int, default=768, help="side of the result that is timed, a multiple of 12")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Prints the tables, and under them what was measured on what."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.side_px < 12 or args.side_px % 12 or args.rounds < 1:
        parser.error("--side-px has to be a multiple of 12, --rounds at least 1")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    names = dict.fromkeys(name.lower() for name in ["set5", *args.sets])
    try:
        sets = {name: read_folder(folder_of(args.data, name)) for name in names}
        found = figures(sets)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    counts = {name: len(pictures) for name, pictures in sets.items()}
    times = {
        scale: seconds_per_megapixel(resizers(scale), timed_picture(args.side_px // scale), args.rounds)
        for scale in SCALES
    }
    about = machine(args.rounds, args.side_px)
    if args.json:
        result = {"protocol": PROTOCOL, "n": counts, "quality": found, "cpu_seconds_per_megapixel": times}
        print(json.dumps(result | about))
        return
    print("\n\n".join([*quality_tables(found, counts), time_table(times)]))
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    threads = f"one thread, the page {about['threads_of_the_page']}"
    size = f"{args.side_px} x {args.side_px} px"
    print(f"\nQuality: {PROTOCOL}.")
    print(f"Time: results of {size}, median of {args.rounds} interleaved rounds, {threads}; {versions}")


if __name__ == "__main__":
    main()
