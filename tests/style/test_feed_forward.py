"""Instant style with small untrained networks: tiles, strength, colours, films, and the weight on the disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cvdemo.errors import InputError, WeightsError
from cvdemo.images import ImageArray, to_tensor
from cvdemo.ops.colour_match import ColourMap, colour_statistics
from cvdemo.runtime import Deadline, stopping_when
from cvdemo.style import feed_forward
from cvdemo.style.feed_forward import (
    InstantConfig,
    Painter,
    PreparedStyle,
    instant_style,
    make_style_net,
    paint_tiles,
    read_style_net,
)
from tests.helpers.painters import SPEC, loud_style_net, random_backbone, random_painter
from train.publishing.publish import publish

SMALL = InstantConfig(size=128)
SAME_COLOURS = ColourMap(torch.eye(3), torch.zeros(3, 1))


@pytest.fixture(scope="module")
def painter() -> Painter:
    return random_painter()


@pytest.fixture
def style() -> ImageArray:
    """(60, 80, 3): warm blots."""
    random = np.random.default_rng(1)
    blots = random.integers(0, 256, (6, 8, 3)) * np.array([1.0, 0.5, 0.2])
    return np.kron(blots, np.ones((10, 10, 1))).astype(np.uint8)


@pytest.mark.parametrize(("size_hw", "tile_px"), [((61, 203), 64), ((130, 90), 32), ((40, 40), 512)])
def test_tiles_give_what_the_whole_picture_gives(painter: Painter, size_hw: tuple[int, int], tile_px: int) -> None:
    source = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    code = torch.tensor([[1.0, -0.5, 0.2, 0.7]])
    whole = paint_tiles(source, painter, code, SAME_COLOURS, tile_px=1024)
    tiled = paint_tiles(source, painter, code, SAME_COLOURS, tile_px=tile_px)
    assert whole.shape == source.shape and whole.dtype == np.uint8
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # rounding
    assert whole.std() > 5


def test_tiles_off_the_grid_are_refused(painter: Painter, noise: ImageArray) -> None:
    with pytest.raises(ValueError, match="tile_px of a multiple of 4, got 30"):
        paint_tiles(noise, painter, torch.zeros(1, 4), SAME_COLOURS, tile_px=30)


def test_the_result_has_the_size_asked_for_and_inputs_stay(
    painter: Painter, noise: ImageArray, style: ImageArray
) -> None:
    content, reference = noise.copy(), style.copy()
    painted = instant_style(content, reference, InstantConfig(size=160), painter)
    assert painted.shape == (120, 160, 3) and painted.dtype == np.uint8
    assert np.array_equal(content, noise) and np.array_equal(reference, style)
    assert np.array_equal(painted, instant_style(content, reference, InstantConfig(size=160), painter))


def test_styles_differ(painter: Painter, noise: ImageArray, style: ImageArray) -> None:
    one, other = (instant_style(noise, picture, SMALL, painter) for picture in (style, style[..., ::-1].copy()))
    assert np.abs(one.astype(int) - other).mean() > 3


def test_strength_goes_from_the_pictures_own_code_and_colours_to_the_styles(
    painter: Painter, noise: ImageArray, style: ImageArray
) -> None:
    none, half, full = (
        PreparedStyle.of(style, replace(SMALL, strength=strength), painter) for strength in (0.0, 0.5, 1.0)
    )
    own = PreparedStyle.of(noise, SMALL, painter).code
    codes = [each.see(noise).code for each in (none, half, full)]
    assert not torch.allclose(own, full.code, atol=1e-2)
    torch.testing.assert_close(codes[0], own, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(codes[1], (own + full.code) / 2, atol=1e-5, rtol=1e-4)
    assert torch.equal(codes[2], full.code)
    unchanged = none.colours(none.see(noise))
    torch.testing.assert_close(unchanged.matrix, torch.eye(3))
    torch.testing.assert_close(unchanged.offset, torch.zeros(3, 1))
    ((pixels, _),) = full.styles
    assert not torch.allclose(full.colours(full.see(noise))(pixels), pixels, atol=0.05)


def test_kept_colours_are_the_pictures_and_the_code_is_of_a_style_in_them(
    painter: Painter, noise: ImageArray, style: ImageArray
) -> None:
    kept = PreparedStyle.of(style, replace(SMALL, keep_colours="statistics"), painter)
    seen = kept.see(noise)
    torch.testing.assert_close(kept.colours(seen).matrix, torch.eye(3))
    ((pixels, _),) = kept.styles
    recoloured = ColourMap.between(pixels, feed_forward._described(noise, 320, torch.device("cpu")))(pixels)
    torch.testing.assert_close(seen.code, painter.code(recoloured))
    assert not torch.allclose(seen.code, kept.code, atol=1e-3)


def test_kept_by_luminance_only_light_and_dark_are_painted(
    painter: Painter, chelsea: ImageArray, style: ImageArray
) -> None:
    painted = instant_style(chelsea, style, replace(SMALL, keep_colours="luminance"), painter)
    own = PreparedStyle.of(style, SMALL, painter).source(chelsea)
    change = painted.astype(int) - own
    inside = ((painted > 0) & (painted < 255)).all(axis=2)  # the others are clipped
    assert np.ptp(change[inside], axis=1).max() == 0  # red, green and blue change alike
    assert change[inside].std() > 2


def test_several_styles_are_mixed_by_their_weights(painter: Painter, noise: ImageArray, style: ImageArray) -> None:
    other = style[..., ::-1].copy()
    one, two = (PreparedStyle.of(picture, SMALL, painter) for picture in (style, other))
    mixture = PreparedStyle.mixed([(style, 1.0), (other, 3.0)], SMALL, painter)
    torch.testing.assert_close(mixture.code, (one.code + 3 * two.code) / 4)
    painted = [prepared.colours(prepared.see(noise)) for prepared in (one, two, mixture)]
    means = [(colours.matrix @ one.see(noise).mean + colours.offset).flatten() for colours in painted]
    torch.testing.assert_close(means[2], (means[0] + 3 * means[1]) / 4, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match=r"weights above 0, got \[1.0, 0.0\]"):
        PreparedStyle.mixed([(style, 1.0), (other, 0.0)], SMALL, painter)
    with pytest.raises(ValueError, match="weights above 0, got"):
        PreparedStyle.mixed([], SMALL, painter)


def test_the_picture_gets_the_styles_colours_before_it_is_painted(
    painter: Painter, cheetah: ImageArray, style: ImageArray
) -> None:
    prepared = PreparedStyle.of(style, SMALL, painter)
    matched = prepared.colours(prepared.see(cheetah))(to_tensor(cheetah))
    ((pixels, _),) = prepared.styles
    found, wanted = colour_statistics(matched)[0], colour_statistics(pixels)[0]
    torch.testing.assert_close(found, wanted, atol=0.06, rtol=0)  # some are clamped


def test_a_film_keeps_the_colours_of_its_first_frame(painter: Painter, noise: ImageArray, style: ImageArray) -> None:
    prepared = PreparedStyle.of(style, SMALL, painter)
    seen = prepared.see(noise)
    later = noise.copy()
    later[:, 48:] = 255  # something bright comes in at the right
    steady = [prepared.paint(frame, seen) for frame in (noise, later)]
    alone = prepared.paint(later)
    left = np.s_[:, :40]
    assert np.array_equal(steady[0], prepared.paint(noise))
    assert np.abs(steady[0][left].astype(int) - steady[1][left]).max() <= 1
    assert np.abs(steady[0][left].astype(int) - alone[left]).max() > 1


def test_pictures_that_are_too_narrow_are_named(painter: Painter, noise: ImageArray) -> None:
    with pytest.raises(InputError, match="The picture is 64 x 4 pixels"):
        instant_style(noise[:4], noise, SMALL, painter)
    with pytest.raises(InputError, match="The style picture is 4 x 48 pixels"):
        instant_style(noise, noise[:, :4], SMALL, painter)


def test_nobody_waits(painter: Painter, noise: ImageArray, style: ImageArray) -> None:
    with stopping_when(lambda: True):
        deadline = Deadline()
    with pytest.raises(InputError, match="nobody waits for it any more"):
        instant_style(noise, style, SMALL, painter, deadline)


def write_weight(
    folder: Path,
    name: str,
    network: dict[str, object],
    state: dict[str, torch.Tensor],
    preprocessing: dict[str, object] | None = None,
) -> None:
    metric = {"name": "loss", "value": {}, "protocol": "", "split": "", "n": 1, "command": ""}
    publish(
        name, state, task="style", network=network, preprocessing=preprocessing or {}, labels=None, recipe="r",
        command="c", dataset="d", licence="l", seed=0, hardware="h", hours=0.0, metric=metric, weights_dir=folder,
    )  # fmt: skip


def test_a_weight_is_read_from_float16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = loud_style_net()
    state = {key: tensor.half() for key, tensor in network.state_dict().items()}
    write_weight(tmp_path, "instant_style", SPEC, state)
    read = read_style_net(weights_dir=tmp_path)
    assert not read.training and read.last.weight.dtype == torch.float32
    torch.testing.assert_close(read.last.weight, network.last.weight, atol=1e-3, rtol=1e-3)
    monkeypatch.setattr(feed_forward, "load_backbone", lambda device: random_backbone())
    shared = feed_forward.load_painter("cpu", tmp_path)
    assert shared is feed_forward.load_painter("cpu", tmp_path) and shared.device == torch.device("cpu")
    assert not any(parameter.requires_grad for parameter in shared.network.parameters())


def test_without_its_weight_it_is_not_offered_and_says_so(tmp_path: Path) -> None:
    assert not feed_forward.instant_offered(tmp_path)
    write_weight(tmp_path, "lenet", {"name": "lenet5"}, {"a": torch.zeros(1)}, {"input_px": 28, "colour": "grey"})
    assert not feed_forward.instant_offered(tmp_path)
    with pytest.raises(WeightsError, match=r"^There is no instant style here: its network, instant_style, is"):
        feed_forward.load_painter("cpu", tmp_path)
    write_weight(tmp_path, "instant_style", SPEC, loud_style_net().state_dict())
    assert feed_forward.instant_offered(tmp_path)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    write_weight(tmp_path, "lenet", {"name": "lenet5"}, {"a": torch.zeros(1)}, {"input_px": 28, "colour": "grey"})
    with pytest.raises(WeightsError, match="'lenet' is not a network that repaints"):
        read_style_net("lenet", tmp_path)
    with pytest.raises(ValueError, match="network must be 'style_net', got 'vgg'"):
        make_style_net({"name": "vgg"})
