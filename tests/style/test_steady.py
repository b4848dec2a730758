"""Frames kept steady: what counts as still, and the flicker that is left."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cvdemo.images import ImageArray
from cvdemo.style.feed_forward import InstantConfig, PreparedStyle
from cvdemo.style.steady import Before, flicker, mixed, steady_frame, stillness
from tests.helpers.painters import random_painter

SIDE, FRAMES = 128, 6


@pytest.fixture(scope="module")
def style() -> PreparedStyle:
    picture = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return PreparedStyle.of(picture, InstantConfig(size=SIDE), random_painter())


def blots(seed: int, height: int, width: int) -> ImageArray:
    small = np.random.default_rng(seed).integers(40, 216, (height // 16, width // 16, 3))
    return np.kron(small, np.ones((16, 16, 1))).astype(np.uint8)


def film(count: int = FRAMES, noise: float = 4.0) -> list[ImageArray]:
    """A camera that does not move, with noise, and something that moves to the right by 8 px a frame."""
    random = np.random.default_rng(0)
    still, mover = blots(0, 96, SIDE), blots(5, 32, 32)
    frames = []
    for number in range(count):
        frame = still.astype(float)
        frame[32:64, 8 * number : 8 * number + 32] = mover
        frames.append(np.clip(frame + random.normal(0, noise, frame.shape), 0, 255).astype(np.uint8))
    return frames


def painted(frames: list[ImageArray], style: PreparedStyle, steadiness: float) -> list[Before]:
    done: list[Before] = []
    for frame in frames:
        done.append(steady_frame(frame, style, done[-1] if done else None, steadiness))
    return done


def test_flicker_is_lowered_and_what_moves_leaves_no_trail(style: PreparedStyle) -> None:
    frames = film()
    alone, steady = ([each.painted for each in painted(frames, style, amount)] for amount in (0.0, 0.8))
    assert flicker(frames, steady) < flicker(frames, alone) / 4
    moved = np.s_[36:60, 8 * (FRAMES - 2) : 8 * (FRAMES - 1) + 28]  # where it is, and where it was a frame ago
    trail = np.abs(steady[-1][moved].astype(int) - alone[-1][moved]).mean()
    step = np.abs(alone[-2][moved].astype(int) - alone[-1][moved]).mean()
    assert trail < step / 4


def test_flicker_of_known_films() -> None:
    still = [np.full((32, 32, 3), 100, np.uint8)] * 3
    assert flicker(still, still) == 0
    assert flicker(still, [np.full((32, 32, 3), value, np.uint8) for value in (10, 16, 12)]) == pytest.approx(5)
    half = np.full((32, 32, 3), 100, np.uint8)
    half[:, 16:] = 200  # what moves is left out
    assert flicker([still[0], half], [still[0], half]) < 0.5


@pytest.mark.parametrize(
    ("counts", "message"), [((2, 3), "two or more frames"), ((1, 1), "two or more frames"), ((2, 2), "stands still")]
)
def test_flicker_needs_frames_that_stand_still(counts: tuple[int, int], message: str) -> None:
    frames, others = ([np.full((16, 16, 3), 90 * number, np.uint8) for number in range(count)] for count in counts)
    with pytest.raises(ValueError, match=message):
        flicker(frames, others)


def test_noise_counts_as_still_and_edges_that_move_do_not() -> None:
    first, second = film(2)
    still = stillness(first, second)
    assert still.shape == first.shape[:2] and still.min() >= 0 and still.max() == 1
    assert still[:, 64:].mean() > 0.95 and still[36:60, 4:36].mean() < 0.5


def test_mixed_takes_the_old_one_by_its_weight() -> None:
    new, old = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)
    weight = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    assert mixed(new, old, weight)[..., 0].tolist() == [[0, 50], [100, 200]]


def test_another_scene_or_size_begins_anew(style: PreparedStyle) -> None:
    frames = film(1)
    before = steady_frame(frames[0], style)
    other = 255 - blots(9, 96, SIDE)
    after_a_cut, alone = steady_frame(other, style, before), steady_frame(other, style)
    np.testing.assert_array_equal(after_a_cut.painted, alone.painted)
    turned = np.ascontiguousarray(np.rot90(other))
    np.testing.assert_array_equal(steady_frame(turned, style, before).painted, steady_frame(turned, style).painted)


def test_colours_follow_the_light_slowly(style: PreparedStyle) -> None:
    """Of each frame alone they would jump where something bright comes in."""
    frames = film(4)
    for frame in frames[1:]:
        frame[:, 90:] = 255
    means = [float(each.seen.mean.mean()) for each in painted(frames, style, 0.0)]
    jump = float(style.see(frames[1]).mean.mean()) - means[0]
    shares = [(now - then) / jump for then, now in pairwise(means)]
    assert jump > 0.05 and shares == pytest.approx([0.1, 0.09, 0.081], abs=0.01)


def test_frames_are_not_changed_and_repeat(style: PreparedStyle) -> None:
    frames = film(2)
    copies = [frame.copy() for frame in frames]
    one, two = (painted(frames, style, 0.8)[-1] for _ in range(2))
    np.testing.assert_array_equal(one.painted, two.painted)
    assert all(np.array_equal(frame, copy) for frame, copy in zip(frames, copies, strict=True))


def test_a_steadiness_out_of_range_is_refused(style: PreparedStyle) -> None:
    with pytest.raises(ValueError, match=r"steadiness from 0 to 1, got 1\.5"):
        steady_frame(film(1)[0], style, None, 1.5)


def test_kept_colours_are_those_of_the_film(style: PreparedStyle) -> None:
    """Each frame's own luminance and hues, whatever is averaged."""
    kept = replace(style, config=replace(style.config, keep_colours="luminance"))
    frames = film(2)
    last = painted(frames, kept, 0.5)[-1]
    change = last.painted.astype(int) - last.held
    inside = ((last.painted > 0) & (last.painted < 255)).all(axis=2)
    assert np.ptp(change[inside], axis=1).mean() < 6
