"""Augmentation: known answers, equality with torchvision's v2, own parameters for each picture, reproducibility."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from train.data import augment
from train.data.augment import AugmentConfig, augment_batch, jitter_colours, mix_batch, tta_views

EVERYTHING = AugmentConfig(
    flip=True,
    translate_px=2,
    rotate_deg=20,
    shear_deg=10,
    rescale=(0.8, 1.3),
    stretch=1.2,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    cutout_px=4,
    mixup_alpha=0.5,
    cutmix_alpha=1.0,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pixels() -> Tensor:
    """(64, 3, 16, 20) of noise in [0, 1]."""
    return torch.rand(64, 3, 16, 20, generator=seeded(1))


def test_by_default_nothing_happens(pixels: Tensor) -> None:
    config, generator = AugmentConfig(), seeded()
    before = generator.get_state()
    assert augment_batch(pixels, config, generator) is pixels
    assert jitter_colours(pixels, config, generator) is pixels
    mixed, targets = mix_batch(pixels, torch.arange(64) % 3, 3, config, generator)
    assert mixed is pixels and torch.equal(targets, torch.eye(3)[torch.arange(64) % 3])
    assert torch.equal(generator.get_state(), before)  # and nothing is drawn


def test_the_generator_alone_decides(pixels: Tensor) -> None:
    labels = torch.arange(64) % 5

    def one(seed: int) -> tuple[Tensor, Tensor]:
        generator = seeded(seed)
        changed = augment_batch(jitter_colours(pixels, EVERYTHING, generator), EVERYTHING, generator)
        return mix_batch(changed, labels, 5, EVERYTHING, generator)

    first = one(3)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    again, other = one(3), one(4)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])


def test_the_batch_given_is_not_changed(pixels: Tensor) -> None:
    before = pixels.clone()
    augment_batch(pixels, EVERYTHING, seeded())
    jitter_colours(pixels, EVERYTHING, seeded())
    mix_batch(pixels, torch.zeros(64, dtype=torch.long), 2, EVERYTHING, seeded())
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    "changes",
    [
        {"flip": True},
        {"translate_px": 3},
        {"rotate_deg": 30.0},
        {"shear_deg": 20.0},
        {"rescale": (0.5, 2.0)},
        {"stretch": 1.5},
        {"cutout_px": 5},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("edge", ["reflect", "mean"])
def test_each_picture_of_a_batch_is_changed_its_own_way(changes: dict[str, object], edge: str) -> None:
    same = torch.rand(1, 3, 16, 16, generator=seeded(1)).expand(32, -1, -1, -1)
    changed = augment_batch(same, replace(AugmentConfig(), edge=edge, **changes), seeded())
    assert changed.shape == same.shape and changed.isfinite().all()
    assert len(changed.flatten(1).unique(dim=0)) > 10 or changes == {"flip": True}
    assert len(changed.flatten(1).unique(dim=0)) > 1


# ---- geometry


def test_warps_equal_those_of_v2(pixels: Tensor) -> None:
    angle = torch.linspace(-180, 180, len(pixels))
    shear = torch.stack([torch.linspace(-40, 40, len(pixels)), torch.linspace(30, -30, len(pixels))], dim=1)
    scale = torch.linspace(0.5, 2, len(pixels))
    matrices = augment.warp_matrices(angle, shear, scale[:, None].expand(-1, 2))
    ours = augment.warp(pixels, matrices, "mean")
    for index, picture in enumerate(pixels):
        theirs = v2.affine(
            picture,
            angle[index].item(),
            [0, 0],
            scale[index].item(),
            shear[index].tolist(),
            InterpolationMode.BILINEAR,
        )
        assert (ours[index] - theirs).abs().max() < 1e-4


def test_a_quarter_turn_is_exact() -> None:
    square = torch.rand(1, 1, 9, 9, generator=seeded())
    turned = augment.warp(square, augment.warp_matrices(torch.tensor([90.0]), torch.zeros(1, 2), torch.ones(1, 2)))
    assert (turned - square.rot90(-1, (2, 3))).abs().max() < 1e-5  # clockwise


def test_stretching_scales_the_axes_apart() -> None:
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)  # grows to the right
    matrices = augment.warp_matrices(torch.zeros(1), torch.zeros(1, 2), torch.tensor([[2.0, 0.5]]))
    stretched = augment.warp(ramp, matrices)
    assert stretched[0, 0, 10].diff()[3:-3].numpy() == pytest.approx(0.5)  # twice as wide: half as steep


@pytest.mark.parametrize(
    ("name", "value"), [("rotate_deg", 10.0), ("shear_deg", 10.0), ("rescale", (0.5, 2.0)), ("stretch", 1.5)]
)
def test_random_warps_fill_their_range(name: str, value: object) -> None:
    matrices = augment.random_warps(4000, replace(AugmentConfig(), **{name: value}), seeded())
    assert matrices is not None
    low, high = matrices[:, 0, 0].min().item(), matrices[:, 0, 0].max().item()
    side = matrices[:, 0, 1] if name in ("rotate_deg", "shear_deg") else matrices[:, 0, 0].log()
    assert side.mean().abs() < 0.02 and -side.min().item() == pytest.approx(side.max().item(), rel=0.02)
    wanted = {"rotate_deg": np.cos(np.radians(10)), "shear_deg": 1.0, "rescale": 0.5, "stretch": 1 / 1.5}[name]
    assert low == pytest.approx(wanted, rel=0.04) and high == pytest.approx(
        1 if name.endswith("deg") else 1 / wanted, rel=0.04
    )


def test_translation_moves_by_whole_pixels_both_ways() -> None:
    ramp = (torch.arange(16.0)[:, None] * 100 + torch.arange(16.0)).expand(400, 1, 16, 16)
    moved = augment.translate(ramp, 2, seeded())[:, 0, 8, 8] - ramp[:, 0, 8, 8]
    assert moved.unique().tolist() == [100.0 * down + right for down in range(-2, 3) for right in range(-2, 3)]


def test_flips_mirror_half_of_the_pictures(pixels: Tensor) -> None:
    flipped = augment.random_flip(pixels, seeded())
    mirrored = (flipped == pixels.flip(3)).all(dim=(1, 2, 3))
    assert ((flipped == pixels).all(dim=(1, 2, 3)) ^ mirrored).all() and 20 < mirrored.sum() < 44


def test_alternating_flips_show_both_sides_in_two_epochs(pixels: Tensor) -> None:
    first = torch.arange(64) % 2 == 0
    even, odd = (augment.alternating_flip(pixels, first, epoch) for epoch in (0, 1))
    assert torch.equal(even.flip(3), odd) and torch.equal(even[1], pixels[1]) and torch.equal(odd[0], pixels[0])


def test_cutout_sets_one_square_to_the_mean(pixels: Tensor) -> None:
    cut = augment.cutout((pixels + 1).repeat(20, 1, 1, 1), 5, seeded()) == 0
    assert (cut.sum(dim=(1, 2, 3)) == 3 * 25).all()
    assert (cut.any(dim=3).sum(dim=2) == 5).all() and (cut.any(dim=2).sum(dim=2) == 5).all()
    assert cut[:, 0].any(dim=0).all()  # everywhere, over the batch
    with pytest.raises(ValueError, match="cannot cut 17 px out of 16 x 20"):
        augment.cutout(pixels, 17, seeded())


# ---- colours


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("brightness", v2.adjust_brightness),
        ("contrast", v2.adjust_contrast),
        ("saturation", v2.adjust_saturation),
        ("hue", v2.adjust_hue),
    ],
)
def test_colours_change_as_in_v2(pixels: Tensor, name: str, operation: object) -> None:
    ours = jitter_colours(pixels, replace(AugmentConfig(), **{name: 0.5}), seeded())
    row = ["brightness", "contrast", "saturation", "hue"].index(name)
    drawn = torch.rand(4, 64, generator=seeded())[row] - 0.5  # in [-0.5, 0.5)
    for index, picture in enumerate(pixels):
        theirs = operation(picture, drawn[index].item() + (name != "hue"))  # type: ignore[operator]  # one of several functions
        assert (ours[index] - theirs).abs().max() < 1e-5
    assert 0 <= ours.min() <= ours.max() <= 1


def test_grey_pictures_keep_one_channel(pixels: Tensor) -> None:
    grey = pixels[:, :1]
    colour_only = jitter_colours(grey, AugmentConfig(saturation=0.5, hue=0.2), seeded())
    assert torch.equal(colour_only, grey)
    assert jitter_colours(grey, EVERYTHING, seeded()).shape == grey.shape


# ---- mixing


def test_mixup_shares_pictures_and_targets_alike() -> None:
    ones = torch.eye(8)[:, None, :, None].expand(-1, 3, -1, 6).contiguous()  # picture i has row i lit
    mixed, targets = mix_batch(ones, torch.arange(8), 8, AugmentConfig(mixup_alpha=1.0), seeded())
    assert (mixed[:, 0, :, 0] - targets).abs().max() < 1e-6
    own = targets.diagonal()
    neighbour = targets[torch.arange(8), torch.arange(8) - 1]
    assert (own + neighbour - 1).abs().max() < 1e-6 and (own > 0).all() and len(own.unique()) == 8


@pytest.mark.parametrize("side_px", [16, 33])
def test_cutmix_sets_boxes_and_counts_their_pixels(side_px: int) -> None:
    values = torch.arange(40.0)[:, None, None, None].expand(-1, 3, side_px, side_px).contiguous()
    mixed, targets = mix_batch(values, torch.arange(40), 40, AugmentConfig(cutmix_alpha=1.0), seeded())
    for index, picture in enumerate(mixed[:, 0]):
        own, neighbour = picture == index, picture == (index - 1) % 40
        assert (own ^ neighbour).all()
        assert targets[index, index].item() == pytest.approx(own.float().mean().item(), abs=1e-6)
        rows, columns = neighbour.any(dim=1), neighbour.any(dim=0)
        assert neighbour.sum() == rows.sum() * columns.sum()  # a box
        assert (rows.int().diff() != 0).sum() <= 2
    assert targets.sum(dim=1).numpy() == pytest.approx(1, abs=1e-6)
    assert 0.3 < targets.diagonal().mean() < 0.8


def test_with_both_on_each_picture_has_one_of_them() -> None:
    values = torch.arange(200.0)[:, None, None, None].expand(-1, 1, 16, 16).contiguous()
    mixed, _ = mix_batch(values, torch.zeros(200, dtype=torch.long), 1, EVERYTHING, seeded())
    blended = torch.tensor([picture.unique().numel() == 1 and picture[0, 0, 0] % 1 != 0 for picture in mixed])
    assert 60 < blended.sum() < 140


def test_the_share_follows_the_beta_distribution() -> None:
    pixels, labels = torch.zeros(4000, 1, 1, 1), torch.arange(4000) % 2
    for alpha in (0.2, 1.0, 5.0):
        _, targets = mix_batch(pixels, labels, 2, AugmentConfig(mixup_alpha=alpha), seeded())
        own = targets[torch.arange(4000), labels]
        assert own.mean().item() == pytest.approx(0.5, abs=0.02)
        assert own.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


# ---- test time, and what is refused


def test_six_views_and_their_weights(pixels: Tensor) -> None:
    views = tta_views(pixels, 2)
    assert [weight for _, weight in views] == [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    assert torch.equal(views[0][0], pixels)
    for plain, mirrored in zip(views[::2], views[1::2], strict=True):
        assert torch.equal(plain[0].flip(3), mirrored[0])
    assert torch.equal(views[2][0][..., :-2, :-2], pixels[..., 2:, 2:])  # up and left
    assert torch.equal(views[4][0][..., 2:, 2:], pixels[..., :-2, :-2])  # down and right
    assert all(view.shape == pixels.shape for view, _ in tta_views(pixels))


@pytest.mark.parametrize(
    "changes",
    [
        {"rotate_deg": 181.0},
        {"shear_deg": -1.0},
        {"rescale": (1.2, 0.8)},
        {"rescale": (0.0, 1.0)},
        {"stretch": 0.5},
        {"brightness": 1.5},
        {"hue": 0.6},
        {"mixup_alpha": -0.1},
        {"cutmix_alpha": float("nan")},
    ],
    ids=str,
)
def test_values_out_of_range_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must be "):
        replace(AugmentConfig(), **changes)
