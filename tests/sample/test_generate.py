"""Sampling: latents that do not depend on the count, truncation, the grid, generators from the manifest."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from cvdemo.errors import InputError, WeightsError
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import (
    COUNT_MAX,
    Pick,
    SampleConfig,
    columns_for,
    combine,
    generate,
    generator_of,
    generators,
    generators_or_default,
    grid,
    latents,
    load_generator,
    read_generator,
    stops_of,
)
from cvdemo.weights import load_manifest
from tests.helpers.whole_results import interpolate, sample


@pytest.fixture
def tiny() -> Generator:
    """16-px pictures of 5-dim latents; batch norm in eval mode with gains that make pictures vary."""
    torch.manual_seed(2)
    generator = Generator(latent_dim=5, width=4, size=16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return generator


def write_weights(folder: Path, networks: dict[str, tuple[str, Generator]]) -> None:
    """A weights folder with these generators, {name: (task, generator)}."""
    manifest = {}
    for name, (task, generator) in networks.items():
        data = save(generator.state_dict())
        (folder / f"{name}.safetensors").write_bytes(data)
        shape = {"name": "dcgan", "latent_dim": generator.latent_dim, "width": 4, "channels": 3, "size": generator.size}
        manifest[name] = {
            "file": f"{name}.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "task": task,
            "network": shape,
            "preprocessing": {},
            "metric": {},
            "labels": None,
            "seed": 0,
            "hours": None,
        } | dict.fromkeys(("recipe", "command", "dataset", "licence", "hardware"), "")
    (folder / "manifest.json").write_text(json.dumps({"weights": manifest}), encoding="utf-8")


@pytest.mark.parametrize("count", [1, 3, 17])
def test_row_i_is_the_same_whatever_the_count(count: int) -> None:
    assert torch.equal(latents(count, 128, seed=3), latents(64, 128, seed=3)[:count])
    assert torch.equal(latents(count, 5, seed=3), latents(64, 5, seed=3)[:count])


def test_latents_are_gaussian() -> None:
    points = latents(200, 100, seed=0)
    assert points.shape == (200, 100)
    assert points.mean().abs() < 0.03
    assert abs(points.std() - 1) < 0.02
    assert points.abs().max() > 3


def test_truncation_pulls_every_latent_towards_the_mean() -> None:
    torch.testing.assert_close(latents(4, 8, seed=1, truncation=0.25), 0.25 * latents(4, 8, seed=1))


def test_seeds_differ_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert not torch.equal(latents(1, 8, seed=1), latents(1, 8, seed=2))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("count", "dim", "truncation"), [(0, 8, 1.0), (1, 0, 1.0), (1, 8, 0.0), (1, 8, 1.1)])
def test_latents_refuse_what_makes_no_sense(count: int, dim: int, truncation: float) -> None:
    with pytest.raises(ValueError, match=f"count={count}, dim={dim}, truncation={truncation}"):
        latents(count, dim, 0, truncation)


def test_pictures_are_the_generators_output_in_8_bits(tiny: Generator) -> None:
    points = latents(3, 5, seed=0)
    expected = ((tiny(points) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(np.stack(generate(tiny, points)), expected)
    assert expected.shape == (3, 16, 16, 3) and np.ptp(expected) > 20


@pytest.mark.parametrize("count", [1, 16, 33])
def test_picture_i_is_the_same_whatever_the_count(tiny: Generator, count: int) -> None:
    few, many = (np.stack(sample(tiny, SampleConfig(count=n, seed=9))) for n in (count, 40))
    assert few.shape == (count, 16, 16, 3) and few.dtype == np.uint8
    assert np.abs(few.astype(int) - many[:count]).max() <= 1


def test_a_seed_repeats_and_another_differs(tiny: Generator) -> None:
    a, b, c = (np.stack(sample(tiny, SampleConfig(count=4, seed=seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_less_truncation_more_variety(tiny: Generator) -> None:
    low, high = (
        np.stack(sample(tiny, SampleConfig(count=32, truncation=truncation))).std(axis=0).mean()
        for truncation in (0.1, 1.0)
    )
    assert low < high / 2


@pytest.mark.parametrize(
    ("field", "value"), [("count", 0), ("count", 65), ("truncation", 0.05), ("truncation", 1.5), ("seed", -1)]
)
def test_settings_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be at (least|most)"):
        SampleConfig(**{field: value})


def test_a_pick_is_its_row_of_the_seeds_latents() -> None:
    pick = Pick(seed=9, index=5, truncation=0.7)
    assert torch.equal(pick.latent(128), latents(16, 128, seed=9, truncation=0.7)[5])
    assert pick.number == 6
    assert Pick(index=COUNT_MAX - 1).latent(3).shape == (3,)


@pytest.mark.parametrize(("field", "value"), [("index", -1), ("index", 64), ("seed", -1), ("truncation", 0)])
def test_a_pick_that_no_drawing_holds_is_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be at (least|most) .*, got {value}"):
        Pick(**{field: value})


def test_stops_are_the_latents_of_the_picks() -> None:
    picks = [Pick(seed=1, index=2), Pick(seed=7), Pick(seed=1, index=2)]
    assert torch.equal(stops_of(picks, 8), torch.stack([pick.latent(8) for pick in picks]))


def test_one_picture_alone_leads_nowhere() -> None:
    with pytest.raises(InputError, match="pick two different ones"):
        stops_of([Pick(seed=1), Pick(seed=1)], 8)


def test_a_way_begins_and_ends_with_its_picks(tiny: Generator) -> None:
    picks = [Pick(seed=4, index=2), Pick(seed=5), Pick(seed=6)]
    pictures = interpolate(tiny, picks, 9)
    ends = generate(tiny, stops_of([picks[0], picks[2]], 5))
    assert len(pictures) == 9
    assert np.abs(np.stack(pictures)[[0, 8]].astype(int) - np.stack(ends)).max() <= 1


def test_the_sum_of_picks(tiny: Generator) -> None:
    a, b = Pick(seed=4, index=2), Pick(seed=5)
    assert np.abs(combine(tiny, a, a, b).astype(int) - generate(tiny, b.latent(5)[None])[0]).max() <= 1
    assert not np.array_equal(combine(tiny, a, b, Pick(seed=6)), combine(tiny, b, a, Pick(seed=6)))


def test_picks_of_two_generators_do_not_mix() -> None:
    assert generator_of([Pick(), Pick(seed=2)]) == "dcgan_anime"
    with pytest.raises(InputError, match=r"different generators, Anime faces and dcgan_nobody: pick all from one\."):
        generator_of([Pick(), Pick(generator="dcgan_nobody")])


def test_a_generator_of_one_channel_draws_greys() -> None:
    generator = Generator(latent_dim=5, width=4, channels=1, size=32).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    pictures = np.stack(sample(generator, SampleConfig(count=3)))
    assert pictures.shape == (3, 32, 32, 3) and pictures.dtype == np.uint8 and np.ptp(pictures) > 20
    np.testing.assert_array_equal(pictures[..., 0], pictures[..., 1])
    np.testing.assert_array_equal(pictures[..., 0], pictures[..., 2])


def test_a_grid_row_by_row_with_gaps() -> None:
    colours = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = grid(colours, columns=2, gap_px=1)
    w = 255
    expected = [
        [10, 10, 10, w, 20, 20, 20],
        [10, 10, 10, w, 20, 20, 20],
        [w] * 7,
        [30, 30, 30, w, w, w, w],
        [30, 30, 30, w, w, w, w],
    ]
    np.testing.assert_array_equal(sheet, np.repeat(np.array(expected, np.uint8)[..., None], 3, axis=2))


def test_a_grid_is_no_wider_than_its_pictures() -> None:
    assert grid([np.zeros((4, 4, 3), np.uint8)], columns=8).shape == (4, 4, 3)


@pytest.mark.parametrize(("sizes", "columns"), [([], 1), ([4], 0), ([4, 5], 2)])
def test_a_grid_refuses_what_does_not_fit(sizes: list[int], columns: int) -> None:
    with pytest.raises(ValueError, match=f"got {len(sizes)} pictures, columns={columns}"):
        grid([np.zeros((size, size, 3), np.uint8) for size in sizes], columns)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (16, 4), (64, 8)])
def test_columns_of_a_near_square(count: int, columns: int) -> None:
    assert columns_for(count) == columns


def test_the_page_opens_without_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    assert list(generators_or_default()) == ["dcgan_anime"]
    (tmp_path / "manifest.json").write_text('{"weights": {}}', encoding="utf-8")
    assert list(generators_or_default()) == ["dcgan_anime"]


def test_generators_come_from_the_manifest(tiny: Generator, tmp_path: Path) -> None:
    tasks = {
        "dcgan_faces": "sample",
        "dcgan_cats": "sample",
        "lite": "classify",
        "dcgan_anime": "sample",
        "oil_paint": "sample",
    }
    write_weights(tmp_path, {name: (task, tiny) for name, task in tasks.items()})
    labels = {"dcgan_anime": "Anime faces", "dcgan_cats": "Cats", "dcgan_faces": "Faces as in photographs"}
    assert generators(tmp_path) == labels | {"oil_paint": "Oil paint"}
    assert next(iter(generators(tmp_path))) == "dcgan_anime"


def test_every_generator_of_the_manifest_is_offered() -> None:
    drawing = {name for name, entry in load_manifest().items() if entry.network["name"] == "dcgan"}
    assert set(generators()) == drawing >= {"dcgan_anime", "dcgan_plain", "dcgan_fashion"}


def test_seven_tenths_of_the_variety_are_the_default() -> None:
    assert SampleConfig().truncation == Pick().truncation == 0.7


def test_a_baseline_comes_last_and_says_what_it_is_for(tiny: Generator, tmp_path: Path) -> None:
    write_weights(
        tmp_path, {"dcgan_bare": ("baseline", tiny), "dcgan_anime": ("sample", tiny), "lite": ("dream", tiny)}
    )
    assert generators(tmp_path) == {"dcgan_anime": "Anime faces", "dcgan_bare": "Bare, to compare"}
    assert "dcgan_plain" in generators()


def test_a_drawing_has_the_variety_at_which_most_pictures_are_whole() -> None:
    assert SampleConfig().truncation == Pick().truncation == 0.7


def test_a_second_generator_is_loaded_by_name(tiny: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(tmp_path, {"dcgan_cats": ("sample", tiny), "lite": ("classify", tiny)})
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    load = load_generator.__wrapped__  # type: ignore[attr-defined]  # past the cache
    loaded = load("dcgan_cats", "cpu")
    assert (loaded.latent_dim, loaded.device) == (5, torch.device("cpu"))
    ours, expected = (
        np.stack(sample(network, SampleConfig(count=20, seed=1))).astype(int) for network in (loaded, tiny)
    )
    assert np.abs(ours - expected).max() <= 1 and (ours == expected).mean() > 0.999  # ONNX Runtime's and torch's
    with pytest.raises(WeightsError, match="no generator named 'lite'; there is dcgan_cats"):
        load("lite", "cpu")


def test_only_a_generator_is_read_as_one() -> None:
    plain = read_generator("dcgan_plain")
    assert not plain.training and plain.size == 64
    with pytest.raises(WeightsError, match="'srcnn_x2' is not a generator"):
        read_generator("srcnn_x2")


def test_64_real_pictures_are_drawn_within_seconds_and_vary() -> None:
    generator = load_generator(device="cpu")
    started = time.process_time()
    pictures = np.stack(sample(generator, SampleConfig(count=64, seed=5)))
    assert time.process_time() - started < 2  # CPU seconds: 1 s on two cores
    assert pictures.shape == (64, 64, 64, 3)
    differences = np.abs(pictures[:32].astype(float) - pictures[32:]).mean(axis=(1, 2, 3))
    assert differences.min() > 8  # no two of these pairs are alike: the generator has not collapsed
    assert pictures.std(axis=(1, 2)).mean() > 30  # and none is flat
