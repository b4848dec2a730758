"""How often the page is right about the time a job takes: `python -m bench.estimates [--cpu] [--promises]`.

Each demo is run again and again with other settings, as visitors do. Before each run the page says how long it will
take: of the first of its kind as other kinds tell, after what the page does when it starts. Each step says how long it
still takes. Right is within a third of the truth. Runs of less than a second are left out, as the page says nothing of
them. A batch tells at its start and at its pictures.

The clock is the wall's. With `--cpu` it is the CPU time of the process, which other programs hardly change; then set
OMP_NUM_THREADS=1. `--promises` compares what each of the six tabs promises with what that takes, by either clock.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import cv2
from gradio.utils import get_upload_folder

from cvdemo import backends
from cvdemo.backends.durations import Durations, Stopwatch, UnitTimes
from cvdemo.backends.work import work_of
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.classify.teach import TeachRequest
from cvdemo.demo import Request, Run
from cvdemo.detect.run import DetectRequest, DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import DreamRequest
from cvdemo.dream.zoom_film import DreamFilmRequest, ZoomFilmConfig
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.ops.video import Film
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.sample.run import SampleRequest, WalkRequest
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest
from cvdemo.style.video import StyleVideoConfig, StyleVideoRequest
from cvdemo.ui import classify_several, upscale_several
from cvdemo.ui.detect import batch as detect_several
from cvdemo.ui.page import TABS, prepare
from cvdemo.ui.serving.waiting import telling_time
from cvdemo.ui.several import job as several_job
from cvdemo.ui.several.files import Archive
from cvdemo.ui.several.job import Job, last_moment
from cvdemo.ui.wiring.first_look import LOOKS
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.upscale.upscale import UpscaleConfig

PICTURES = ("cheetah", "chelsea", "coffee", "lion")
WITHIN = 1 / 3
LEAST_S = 1.0


@dataclass
class Score:
    """How many estimates of a demo were right, of how many.

    Attributes:
        first: before the first run of a kind. before: before the others. during: at their steps.
    """

    first: list[bool] = field(default_factory=list)
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


def films() -> Mapping[str, Iterator[Request]]:
    """What takes long and is no single picture, in turn."""
    images = {name: read_image(example_picture(name)) for name in PICTURES}
    cat, style = images["chelsea"], read_image(example_picture("styles/mosaic"))
    return {
        "dream, film": (
            DreamFilmRequest(
                image=image, config=PRESETS[DEFAULT_PRESET], film=ZoomFilmConfig(frames=frames, film_px=size)
            )
            for (frames, size), image in product(((20, 256), (12, 384)), images.values())
        ),
        "style, video": (
            StyleVideoRequest(video=clip(cat, frames), style=style, config=StyleVideoConfig(size=size))
            for frames, size in ((12, 384), (30, 256), (10, 512), (20, 384))
        ),
        "detect, video": (
            DetectVideoRequest(video=clip(cat, frames), config=DetectConfig(detector=detector))
            for detector, frames in product(("objects", "bccd"), (12, 30, 20))
        ),
        "sample, walk": (
            WalkRequest(config=WalkConfig(seconds=seconds, enlarge=enlarge))
            for seconds, enlarge in ((10.0, 4), (20.0, 4), (6.0, 8), (16.0, 4))
        ),
        "classify, teach": (
            TeachRequest(labels=("one", "other"), pictures=((cat, *[images["lion"]] * count), (cat,) * count))
            for count in (49, 44, 47)
        ),
    }


def clip(image: ImageArray, frames: int, size_wh: tuple[int, int] = (640, 480)) -> bytes:
    """An mp4 file of the picture that moves by a pixel a frame."""
    width, height = size_wh
    large = cv2.resize(image, (width + frames, height))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with Film(path, 10) as film:
            for number in range(frames):
                film.add(large[:, number : number + width].copy())
        return path.read_bytes()


def batches(run: Run, times: UnitTimes) -> Mapping[str, Iterator[Job[Any]]]:
    """Several pictures at once, as they come: other numbers of other sizes."""
    files = [uploaded(name) for name in (*PICTURES, "rocket", "mariachi")]
    chosen = (files[:3], files[2:], files, files[::-1])
    ten, imagenet, large = ClassifyConfig(ten_crop=True), DetectConfig(detector="imagenet"), UpscaleConfig(scale=3)
    return {
        "classify, several": (classify_several.batch_job(run, times, 3 * some, ten) for some in chosen),
        "detect, several": (detect_several.batch_job(run, times, some, imagenet) for some in chosen),
        "upscale, several": (upscale_several.batch_job(run, times, some, large, Archive("all.zip")) for some in chosen),
    }


def uploaded(name: str) -> str:
    """The path of an example among the page's uploads: the size of no other file is looked at."""
    folder = Path(get_upload_folder()) / "estimates"
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.copy(example_picture(name), str(folder))


def right(said_s: float, true_s: float) -> bool:
    return abs(said_s - true_s) <= WITHIN * true_s


def run_one(request: Request, durations: Durations, score: Score, seen: set[Any]) -> None:
    """Runs a request and counts what was said of it; `seen` are the kinds that have run."""
    said_before, said, began, watch = durations.expected_s(request), [], time.monotonic(), Stopwatch()
    for step in backends.run(request):
        watch.stepped(step)
        if step.seconds_left is not None and step.result is None:
            said.append((time.monotonic(), step.seconds_left))
    end = time.monotonic()
    durations.note(request, watch.took_s, watch.again_s)
    kind, _ = work_of(request)
    marks = score.before if kind in seen else score.first
    seen.add(kind)
    if end - began >= LEAST_S:
        marks += [] if said_before is None else [right(said_before, end - began)]
        score.during += [right(left_s, end - at) for at, left_s in said if end - at >= LEAST_S]


class Told:
    """In the place of a page's estimates: what a batch tells of the whole, and when."""

    def __init__(self) -> None:
        self.said: list[tuple[float, float | None]] = []

    def tell_whole(self, event_id: str, seconds: float | None) -> None:
        self.said.append((time.monotonic(), seconds))

    def finish_whole(self, event_id: str) -> None:
        pass


def run_batch(job: Job[Any], score: Score, is_first: bool) -> None:
    """Works through a batch and counts what was said of it; whether it is the first of its kind."""
    told = Told()
    setattr(several_job, "running_event", lambda: SimpleNamespace(_id="batch"))  # noqa: B010  # mypy: of another type
    setattr(several_job, "of_page", lambda: told)  # noqa: B010
    last_moment(job)
    (began, before), *_ = told.said
    end = time.monotonic()
    if end - began >= LEAST_S:
        marks = score.first if is_first else score.before
        marks += [] if before is None else [right(before, end - began)]
        later = [(at, left_s) for at, left_s in told.said[1:] if left_s is not None]
        score.during += [right(left_s, end - at) for at, left_s in later if end - at >= LEAST_S]


def share(marks: list[bool]) -> str:
    return f"{sum(marks)} of {len(marks)}" if marks else "none"


def row(name: str, scores: Sequence[Score]) -> str:
    columns = ("first", "before", "during")
    told = [share([mark for score in scores for mark in getattr(score, column)]) for column in columns]
    return f"| {name} | {' | '.join(told)} |"


def tell_estimates(durations: Durations, output: Callable[[str], None]) -> None:
    """Prints a row for each demo."""
    output("| demo | first of its kind | right before it starts | right at its steps |\n|---|---:|---:|---:|")
    scores: list[Score] = []
    seen: set[Any] = set()
    for demo, asked in {**requests(), **films()}.items():
        scores.append(Score())
        for request in asked:
            run_one(request, durations, scores[-1], seen)
        output(row(demo, scores[-1:]))
    for demo, jobs in batches(telling_time(backends.run, durations), UnitTimes()).items():
        scores.append(Score())
        for number, job in enumerate(jobs):
            run_batch(job, scores[-1], is_first=number == 0)
        output(row(demo, scores[-1:]))
    output(row("all", scores))


def tell_promises(durations: Durations, output: Callable[[str], None], run: Run = backends.run) -> None:
    """Prints for each tab what it promises before its first run and after it, and what it takes.

    The tabs are visited in turn, as by one visitor of a page that has just started: what one has loaded, the next need
    not load. Only what takes a second or more is right or wrong, as the page says nothing of less.
    """
    output("| tab | promised, s | took, s | promised after that | median of the next three | right |")
    output("|---|---:|---:|---:|---:|---:|")
    marks: list[bool] = []
    for tab in TABS:
        request = replace(tab.first(LOOKS[tab.slug].path), time_limit_s=None)
        first_s, took_s = durations.expected_s(request), run_noted(request, durations, run)
        again_s = durations.expected_s(request)
        next_s = median(run_noted(request, durations, run) for _ in range(3))
        pairs = ((first_s or 0.0, took_s), (again_s or 0.0, next_s))
        found = [right(said_s, true_s) for said_s, true_s in pairs if true_s >= LEAST_S]
        marks += found
        times = " | ".join(f"{seconds:.2f}" for pair in pairs for seconds in pair)
        output(f"| {tab.slug} | {times} | {share(found)} |")
    output(f"| all | | | | | {share(marks)} |")


def run_noted(request: Request, durations: Durations, run: Run) -> float:
    """Runs a request as the page does, which remembers what it took; returns that, in seconds."""
    watch = Stopwatch()
    for _ in telling_time(run, durations)(request):
        pass
    return watch.took_s


def conditions(cpu: bool) -> str:
    """By which clock it is measured, and how busy the machine is."""
    clock = "CPU time of the process" if cpu else "the wall's clock"
    return f"By {clock}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '')}, load {os.getloadavg()[0]:.1f}."


def main(output: Callable[[str], None] = print) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="How often the page is right about the time a job takes.")
    parser.add_argument("--cpu", action="store_true", help="by CPU time")
    parser.add_argument("--promises", action="store_true", help="what each tab promises a new visitor")
    options = parser.parse_args()
    if options.cpu:
        time.monotonic = time.process_time
    durations = Durations()
    prepare(telling_time(backends.run, durations))
    output(conditions(options.cpu))
    with TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # of the page
        (tell_promises if options.promises else tell_estimates)(durations, output)
    output(conditions(options.cpu))


if __name__ == "__main__":
    main()
