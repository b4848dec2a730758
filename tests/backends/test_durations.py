"""What requests are expected to take: known answers for steps, sizes and counts, and what is not known."""

from types import SimpleNamespace

import numpy as np
import pytest

from cvdemo.backends import durations as durations_module
from cvdemo.backends.durations import REMEMBERED, TELLING_S, Durations, Stopwatch
from cvdemo.backends.loading import DYNAMO, LIBRARY_S
from cvdemo.backends.work import reference_of, work_of
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.classify.teach import LEFT_OUT_LOOKS, TeachRequest
from cvdemo.demo import Request, Step
from cvdemo.detect.run import DetectVideoRequest
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import DreamRequest
from cvdemo.dream.zoom_film import DreamFilmRequest, ZoomFilmConfig
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.run import SampleRequest
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import InstantRequest, StyleRequest
from cvdemo.style.video import StyleVideoConfig, StyleVideoRequest
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.upscale.upscale import UpscaleConfig
from tests.ops.test_read_video import clip

PICTURE = np.zeros((90, 120, 3), np.uint8)


def dream(**settings: int) -> Request:
    return DreamRequest(image=PICTURE, config=DreamConfig(**{"octaves": 1, "size_px": 128, "steps": 10, **settings}))


def upscale(**settings: int) -> Request:
    return UpscaleRequest(image=PICTURE, config=UpscaleConfig(**{"scale": 2, **settings}))


def style(**settings: int) -> Request:
    return StyleRequest(content=PICTURE, style=PICTURE, config=StyleConfig(**{"scales": 1, "size": 128, **settings}))


def sample(count: int) -> Request:
    return SampleRequest(config=SampleConfig(count=count))


def lesson(classes: int, pictures: int) -> Request:
    return TeachRequest(labels=tuple(map(str, range(classes))), pictures=((PICTURE,) * pictures,) * classes)


@pytest.mark.parametrize(
    ("before", "request_", "times"),
    [
        (dream(), dream(steps=30), 3),
        (dream(), dream(seed=7), 1),
        (dream(), dream(size_px=256), (40_000 + 192 * 256) / (40_000 + 96 * 128)),
        (dream(), dream(octaves=2, octave_scale=2), (2 * 40_000 + 96 * 128 + 48 * 64) / (40_000 + 96 * 128)),
        (style(steps=20), style(steps=50), 2.5),
        (style(), style(size=256), (20_000 + 192 * 256) / (20_000 + 96 * 128)),
        (sample(4), sample(20), 3),
        (upscale(), upscale(tile_px=64), 1),
        (lesson(2, 5), lesson(2, 10), 2),
        (lesson(2, 5), lesson(10, 5), 5 * (1 + 10 * LEFT_OUT_LOOKS) / (1 + 2 * LEFT_OUT_LOOKS)),
    ],
    ids=["steps", "seed", "size", "octaves", "style", "style size", "count", "tiles", "pictures", "classes"],
)
def test_the_time_grows_with_the_work(before: Request, request_: Request, times: float) -> None:
    durations = Durations()
    assert durations.expected_s(request_) is None
    durations.note(before, 2.0)
    assert durations.expected_s(request_) == pytest.approx(2.0 * times, rel=0.02)


def film(frames: int, **settings: float | str) -> Request:
    config = StyleVideoConfig(**{"size": 128, **settings})  # type: ignore[arg-type]  # of several types
    return StyleVideoRequest(video=clip([9] * frames, size_wh=(64, 48)), style=PICTURE, config=config)


def test_a_film_takes_as_long_as_its_frames() -> None:
    durations = Durations()
    durations.note(film(4), 2.0)
    assert durations.expected_s(film(12, steadiness=0.1)) == pytest.approx(6.0)
    assert durations.expected_s(film(4, size=256)) == pytest.approx(8.0)
    assert durations.expected_s(film(4, style_scale=2.0)) is None
    assert durations.expected_s(StyleVideoRequest(video=b"no video", style=PICTURE)) is not None  # it will be refused


def test_the_first_film_takes_as_long_as_pictures_that_are_painted_at_once() -> None:
    durations = Durations()
    picture = InstantRequest(content=PICTURE, style=PICTURE, config=InstantConfig(size=512))  # as high as the film
    for took_s in (9.0, 0.5):  # in the first one the network may have been loaded
        assert durations.expected_s(film(10, size=512)) is None
        durations.note(picture, took_s)
    assert durations.expected_s(film(10, size=512)) == pytest.approx(5.0)
    durations.note(film(10, size=512), 8.0)
    assert durations.expected_s(film(20, size=512)) == pytest.approx(16.0)  # as films do, once there was one
    assert durations.expected_s(picture) == pytest.approx(0.5)


def test_what_ran_tells_of_kinds_that_did_not_by_the_speed_of_the_reference_machine() -> None:
    durations = Durations()
    long = dream(steps=50)
    reference = reference_of(long)
    assert reference is not None and reference.seconds > TELLING_S
    durations.note(long, 99.0, 3 * reference.seconds)  # its first step has shown that a network was loaded
    others = [style(), upscale(), sample(9), film(4, style_scale=2.0), ClassifyRequest(image=PICTURE)]
    for other in others:
        (told,) = {found.seconds for found in [reference_of(other)] if found is not None}
        assert durations.work_s(other) == pytest.approx(3 * told)
    whiskers = DreamRequest(image=PICTURE, config=DreamConfig(octaves=1, size_px=128, layer="block14"))
    slow = style(steps=400, size=256)
    for took_s in (40.0, 40.0):
        durations.note(slow, took_s)
    reference = reference_of(whiskers)
    assert reference is not None and durations.expected_s(whiskers) == pytest.approx(3 * reference.seconds)


def at_speed(times: float) -> Durations:
    """Of a machine that takes so many times as long as the reference machine, and has loaded the backbone."""
    durations, long = Durations(), dream(steps=50)
    reference = reference_of(long)
    assert reference is not None
    durations.note(long, 99.0, times * reference.seconds)
    return durations


def test_what_is_loaded_is_told_with_the_first_request_that_needs_it() -> None:
    durations, timed = at_speed(3), StyleRequest(content=PICTURE, style=PICTURE, config=StyleConfig(seconds=15))
    work_s, loading_s = durations.work_s(style()), durations.loading_s([style(), style(steps=9)])
    assert loading_s == pytest.approx(3 * LIBRARY_S[DYNAMO])  # once, and the backbone is there already
    assert work_s is not None and durations.expected_s(style()) == pytest.approx(work_s + loading_s)
    assert durations.loading_s([timed]) == 0 and durations.expected_s(timed) == 15  # it is a part of the 15 s
    durations.note(timed, 15.0)
    assert durations.expected_s(style()) == durations.work_s(style())
    assert Durations().loading_s([style()]) == 0  # of a machine whose speed is not known


@pytest.mark.parametrize(
    ("took_s", "counted_s"),
    [(3 * 1.02 + 7.0, 7.0), (0.9, 0.9), (3 * 1.02 + 0.001, None)],
    ids=["loaded", "quick", "less than told"],
)
def test_what_a_first_run_has_loaded_is_not_remembered(took_s: float, counted_s: float | None) -> None:
    durations, asked = at_speed(3), style(steps=40)
    told_s = durations.work_s(asked)
    durations.note(asked, took_s)
    assert durations.expected_s(asked) == pytest.approx(told_s if counted_s is None else counted_s)


def test_what_one_thread_does_beside_networks_has_a_speed_of_its_own() -> None:
    durations = Durations()
    assert durations.beside_s(2.0) is None
    durations = at_speed(3)
    assert durations.beside_s(2.0) == pytest.approx(6.0)
    durations.note_beside(0.5, 0.4)
    assert durations.beside_s(2.0) == pytest.approx(1.6)
    assert durations.loading_s([style()]) == pytest.approx(0.8 * LIBRARY_S[DYNAMO])


def test_a_style_takes_the_time_that_is_chosen_for_it() -> None:
    timed = StyleRequest(content=PICTURE, style=PICTURE, config=StyleConfig(seconds=15))
    durations = Durations()
    assert durations.expected_s(timed) == 15
    durations.note(dream(steps=50), 9.0, 8.0)
    assert durations.expected_s(timed) == 15


def test_a_zoom_film_takes_as_long_as_the_dreams_of_its_frames() -> None:
    durations = Durations()
    durations.note(dream(steps=50), 9.0, 6.0)
    wanted = ZoomFilmConfig(frames=11, frame_steps=3, film_px=128)
    assert durations.expected_s(DreamFilmRequest(image=PICTURE, film=wanted)) == pytest.approx(3.6)


def test_who_listens_hears_of_every_request_that_was_noted() -> None:
    heard: list[float | None] = []
    durations = Durations(lambda: heard.append(durations.expected_s(dream())))
    durations.note(dream(), 2.0)
    assert heard == [2.0]


def test_a_film_that_is_searched_takes_as_long_as_its_frames() -> None:
    durations = Durations()
    durations.note(DetectVideoRequest(video=clip([9] * 4)), 2.0)
    assert durations.expected_s(DetectVideoRequest(video=clip([9] * 6))) == pytest.approx(3.0)


def test_another_network_is_another_kind() -> None:
    durations = Durations()
    durations.note(ClassifyRequest(image=PICTURE), 0.2)
    assert durations.expected_s(ClassifyRequest(image=PICTURE)) == pytest.approx(0.2)
    assert durations.expected_s(ClassifyRequest(image=PICTURE, config=ClassifyConfig(model="cifar10"))) is None


def test_one_slow_run_moves_nothing_and_old_ones_are_forgotten() -> None:
    durations = Durations()
    for took_s in (9.0, 1.0, 1.1):  # the first one has loaded the network
        durations.note(dream(), took_s)
    assert durations.expected_s(dream()) == pytest.approx(1.1)
    for _ in range(REMEMBERED):
        durations.note(dream(), 3.0)
    assert durations.expected_s(dream()) == pytest.approx(3.0)


def test_a_second_run_makes_up_for_a_first_that_has_loaded_the_network() -> None:
    durations = Durations()
    durations.note(dream(), 9.0)
    durations.note(dream(), 1.0)
    assert durations.expected_s(dream()) == pytest.approx(1.0)


def test_of_the_first_run_alone_counts_what_it_would_take_again() -> None:
    durations = Durations()
    durations.note(dream(), 9.0, 2.0)
    assert durations.expected_s(dream()) == pytest.approx(2.0)
    for _ in range(REMEMBERED):
        durations.note(dream(), 3.0, 2.0)  # nothing was loaded
    assert durations.expected_s(dream()) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("seconds", "again_s"),
    [((10.0, 1.0, 1.0, 1.0), 4.0), ((0.5, 1.0, 1.0, 1.0), 3.5), ((10.0,), 10.0), ((), 0.0)],
    ids=["loaded", "first step quick", "one step", "none"],
)
def test_a_first_step_is_no_longer_than_those_after_it(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], again_s: float
) -> None:
    now = [100.0]
    monkeypatch.setattr(durations_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watch = Stopwatch()
    watch.stepped(Step(done=0, total=len(seconds)))  # nothing is done, as where an instant style comes first
    for done, step_s in enumerate(seconds, start=1):
        now[0] += step_s
        watch.stepped(Step(done=done, total=len(seconds)))
    assert (watch.took_s, watch.again_s) == (sum(seconds), again_s)


def test_no_more_than_the_time_limit_is_expected() -> None:
    durations = Durations()
    durations.note(dream(), 60.0)
    limited = DreamRequest(image=PICTURE, config=DreamConfig(octaves=1, size_px=128, steps=50), time_limit_s=90)
    assert durations.expected_s(limited) == 90


def test_what_will_be_refused_has_a_kind_too() -> None:
    strip = StyleRequest(content=np.zeros((2, 900, 3), np.uint8), style=PICTURE)
    kind, units = work_of(strip)
    assert units > 0 and hash(kind)
