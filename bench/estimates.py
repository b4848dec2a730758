"""How often the page is right about the time a job takes: `python -m bench.estimates`.

Each demo is run again and again with other settings, as visitors do. Before each run but the first of its kind the page
says how long it will take, and each of its steps how long it still takes. Right is within a third of the truth. Runs of
less than a second are left out, as the page says nothing of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from cvdemo import backends
from cvdemo.backends.durations import Durations, Stopwatch
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Request
from cvdemo.detect.run import DetectRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import DreamRequest
from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.run import SampleRequest
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.upscale.upscale import UpscaleConfig

PICTURES = ("cheetah", "chelsea", "coffee", "lion")
WITHIN = 1 / 3
LEAST_S = 1.0


@dataclass
class Score:
    """How many estimates of a demo were right, of how many: before a run, and at its steps."""

    before: list[bool] = field(default_factory=list)
    during: list[bool] = field(default_factory=list)


def requests() -> Mapping[str, Iterator[Request]]:
    """What visitors ask of each demo, in turn."""
    images = {name: read_image(example_picture(name)) for name in PICTURES}
    style = read_image(example_picture("styles/mosaic"))
    saliency = ExplainConfig(method="saliency")
    return {
        "classify": (
            ClassifyRequest(image=image, config=ClassifyConfig(ten_crop=True), explain=saliency)
            for image in images.values()
        ),
        "detect": (
            DetectRequest(image=image, config=DetectConfig(detector="imagenet", megapixels=size))
            for size, image in product((1.0, 2.0), images.values())
        ),
        "sample": (SampleRequest(config=SampleConfig(count=count, seed=count)) for count in (16, 64, 36, 9, 64)),
        "upscale": (
            UpscaleRequest(image=image, config=UpscaleConfig(scale=3, network="9-5-5"))
            for image in (*images.values(), *images.values())
        ),
        "dream": (
            DreamRequest(image=image, config=DreamConfig(octaves=octaves, steps=steps))
            for (octaves, steps), image in product(((4, 10), (3, 20)), images.values())
        ),
        "style": (
            StyleRequest(content=image, style=style, config=StyleConfig(size=size, scales=2, steps=steps))
            for (size, steps), image in product(((256, 30), (384, 15)), images.values())
        ),
    }


def right(said_s: float, true_s: float) -> bool:
    return abs(said_s - true_s) <= WITHIN * true_s


def run_one(request: Request, durations: Durations, score: Score) -> None:
    """Runs a request and counts what was said of it."""
    said_before, said, began, watch = durations.expected_s(request), [], time.monotonic(), Stopwatch()
    for step in backends.run(request):
        watch.stepped(step)
        if step.seconds_left is not None and step.result is None:
            said.append((time.monotonic(), step.seconds_left))
    end = time.monotonic()
    durations.note(request, watch.took_s, watch.again_s)
    if end - began < LEAST_S:
        return
    if said_before is not None:
        score.before.append(right(said_before, end - began))
    score.during += [right(left_s, end - at) for at, left_s in said if end - at >= LEAST_S]


def share(marks: list[bool]) -> str:
    return f"{sum(marks)} of {len(marks)}" if marks else "none"


def main(output: Callable[[str], None] = print) -> None:
    """Prints a row for each demo."""
    durations = Durations()
    output("| demo | right before it starts | right at its steps |\n|---|---:|---:|")
    scores = []
    for demo, asked in requests().items():
        score = Score()
        for request in asked:
            run_one(request, durations, score)
        scores.append(score)
        output(f"| {demo} | {share(score.before)} | {share(score.during)} |")
    before, during = ([mark for score in scores for mark in marks(score)] for marks in (_before, _during))
    output(f"| all | {share(before)} | {share(during)} |")


def _before(score: Score) -> list[bool]:
    return score.before


def _during(score: Score) -> list[bool]:
    return score.during


if __name__ == "__main__":
    main()
