"""Recipes for generators: what is published loads and measures the same, and its card shows pictures."""

import gzip
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import generate, generators, latents, read_generator
from cvdemo.weights import load_manifest, load_state_dict
from train import __main__ as command_line
from train.engine.checkpoint import BEST, LAST, load
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions
from train.recipes import dcgan, dcgan_cars, dcgan_faces, dcgan_fashion
from train.recipes.dcgan import DcganConfig
from train.recipes.dcgan_fashion import DcganFashionConfig
from train.sample import card as gan_card
from train.sample import sample_recipe
from train.sample.card import CARD_SEED, CARD_TRUNCATION, card_samples
from train.sample.sample_recipe import SampleRecipe

CPU = torch.device("cpu")
TINY = {
    "size": 16, "width": 4, "latent_dim": 4, "batch_size": 8, "steps": 4, "evaluate_every": 2, "preview_every": 1,
    "log_every": 1, "fd_pictures": 8, "decay_steps": 0,
}  # fmt: skip


def noise_folder(folder: Path, count: int = 20, size_wh: tuple[int, int] = (24, 20)) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        shape = (size_wh[1], size_wh[0], 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{index:02d}.png")
    return folder


def published(tmp_path: Path) -> tuple[Context, DcganConfig]:
    """A tiny run on noise, published into `weights`."""
    context = Context(data=noise_folder(tmp_path / "faces"), device=CPU, amp=False, pictures=8)
    config = DcganConfig(**TINY)
    Trainer(dcgan.RECIPE.build(config, context), config, tmp_path / "run").run()
    options = PublishOptions(weights_dir=tmp_path / "weights", name="dcgan_test")
    assert dcgan.RECIPE.publish(config, tmp_path / "run", context, options) == "dcgan_test"
    return context, config


def test_what_is_published_loads_and_measures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = published(tmp_path)
    weights = tmp_path / "weights"
    entry = load_manifest(weights)["dcgan_test"]
    assert entry.metric["n"] == 8 and entry.metric["value"]["fd_lite0"] > 0 and entry.task == "sample"
    stored, averaged = load_state_dict("dcgan_test", weights), load(tmp_path / "run" / BEST)["ema"]
    assert all(torch.equal(t, averaged[key].half() if t.ndim == 4 else averaged[key]) for key, t in stored.items())
    monkeypatch.setattr(sample_recipe, "entry_of", lambda name: load_manifest(weights)[name])
    monkeypatch.setattr(sample_recipe, "read_generator", lambda name: read_generator(name, weights))
    again = dcgan.RECIPE.evaluate("dcgan_test", context)
    assert again["split"] == "training pictures"
    assert {key: again[key] for key in entry.metric["value"]} == entry.metric["value"]
    assert (again["n"], again["n_real"]) == (8, 12)
    assert json.loads(json.dumps(again)) == again
    other = Context(data=noise_folder(tmp_path / "cars", count=30), device=CPU, amp=False, pictures=8)
    assert dcgan.RECIPE.evaluate("dcgan_test", other)["split"] == "other pictures than it was trained on"
    assert (tmp_path / "faces_16.h5").exists() and (tmp_path / "faces_16_lite0.safetensors").exists()


def test_the_card_tells_the_pictures_that_were_there(tmp_path: Path) -> None:
    """Not those that the recipe was written for, nor the number that was asked for where there are fewer."""
    context = Context(data=noise_folder(tmp_path / "faces"), device=CPU, amp=False, pictures=8)
    config = DcganConfig(**{**TINY, "fd_pictures": 2500})
    Trainer(dcgan.RECIPE.build(config, context), config, tmp_path / "run").run()
    dcgan.RECIPE.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights"))
    entry = load_manifest(tmp_path / "weights")["dcgan_anime"]
    assert entry.dataset == "20 distinct pictures of one's own at 16 px"
    assert entry.metric["split"].startswith("training pictures; step")
    assert entry.metric["split"].endswith("chosen by FD-Lite0 of 10")
    assert "anime faces" not in (tmp_path / "weights" / "dcgan_anime.md").read_text()
    spec = replace(dcgan.RECIPE, count=20)
    spec.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights"))
    assert load_manifest(tmp_path / "weights")["dcgan_anime"].dataset == dcgan.RECIPE.dataset


def test_a_card_is_not_made_with_other_pictures(tmp_path: Path) -> None:
    context, config = published(tmp_path)
    other = replace(context, data=noise_folder(tmp_path / "others", count=30))
    options = PublishOptions(weights_dir=tmp_path / "weights", name="dcgan_test")
    with pytest.raises(ValueError, match="trained on 20 pictures, and --data gives 30 others"):
        dcgan.RECIPE.publish(config, tmp_path / "run", other, options)
    state = load(tmp_path / "run" / BEST)
    del state["trained_on"]  # as earlier versions saved
    torch.save(state, tmp_path / "run" / BEST)
    dcgan.RECIPE.publish(config, tmp_path / "run", other, options)
    split = load_manifest(tmp_path / "weights")["dcgan_test"].metric["split"]
    assert split.startswith("pictures given at publishing: the checkpoint, of an earlier version, names none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 24}, "size"),
        ({"start": "no_such"}, "'no_such' is neither a checkpoint file nor a weight"),
        ({"batch_size": 21}, "need at least one batch of 21 pictures, got 20: give a smaller --batch-size"),
        ({"epochs": 1, "steps": 0, "decay_steps": 9}, "need decay_steps up to the 2 steps of 1 epochs, got 9"),
    ],
)
def test_settings_are_refused_before_the_folder_is_packed(
    changes: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_recipe, "packed_folder", lambda *given: pytest.fail("pictures were packed"))
    context = Context(data=noise_folder(tmp_path / "faces"), device=CPU, amp=False)
    with pytest.raises(ValueError, match=message):
        dcgan.RECIPE.build(DcganConfig(**{**TINY, **changes}), context)


def test_a_file_with_pictures_of_another_size_names_the_option(tmp_path: Path) -> None:
    context = Context(data=noise_folder(tmp_path / "faces"), device=CPU, amp=False)
    config = DcganConfig(**TINY)
    dcgan.RECIPE.build(config, context)
    file = replace(context, data=tmp_path / "faces_16.h5")
    with pytest.raises(ValueError, match=r"holds pictures of 16 x 16 px, not of 32 px: give --size 16"):
        dcgan.RECIPE.build(replace(config, size=32), file)


def test_a_baseline_is_measured_and_offered_last(tmp_path: Path) -> None:
    context, config = published(tmp_path)
    options = PublishOptions(weights_dir=tmp_path / "weights", name="plain", baseline=True)
    dcgan.RECIPE.publish(config, tmp_path / "run", context, options)
    assert load_manifest(tmp_path / "weights")["plain"].task == "baseline"
    assert list(generators(tmp_path / "weights")) == ["dcgan_test", "plain"]
    ours, plain = ((tmp_path / "weights" / f"{name}.md").read_text() for name in ("dcgan_test", "plain"))
    assert "for the Sample tab" in ours and "for the Sample tab" not in plain and "to compare with" in plain


def test_the_card_shows_grid_neighbours_curves_and_film(tmp_path: Path) -> None:
    published(tmp_path)
    weights = tmp_path / "weights"
    text = (weights / "dcgan_test.md").read_text()
    assert re.search(r"step [24] of 4 of 8 pictures, chosen by FD-Lite0 of 8;", text)
    assert "unpicked samples is at a cosine distance of" in text
    assert '"fd_floor"' in text and '"kid_lite0"' in text and '"kid_floor"' in text
    for kind, mark in (("grid.png", "!["), ("neighbours.png", "!["), ("curves.png", "!["), ("film.mp4", "[")):
        assert re.search(rf"{re.escape(mark)}[^\]]*\]\(dcgan_test_{kind}\)", text)
        assert (weights / f"dcgan_test_{kind}").stat().st_size > 0
    with Image.open(weights / "dcgan_test_grid.png") as grid:
        assert grid.size == (8 * 16, 8 * 16)
    assert not list(weights.glob("*.partial"))


def test_pictures_that_are_not_to_be_given_out_stay_in_the_runs_folder(tmp_path: Path) -> None:
    context, config = published(tmp_path)
    options = PublishOptions(weights_dir=tmp_path / "weights", name="discreet")
    replace(dcgan.RECIPE, shows_real=False).publish(config, tmp_path / "run", context, options)
    assert not (tmp_path / "weights" / "discreet_neighbours.png").exists()
    assert (tmp_path / "run" / gan_card.NEIGHBOURS).stat().st_size > 0
    text = (tmp_path / "weights" / "discreet.md").read_text()
    assert "unpicked samples is at a cosine distance of" in text and "neighbours.png" not in text


def test_samples_in_the_card_are_those_of_the_page() -> None:
    torch.manual_seed(0)
    generator = Generator(4, 4, 3, 16).eval()
    wanted = generate(generator, latents(20, 4, CARD_SEED, CARD_TRUNCATION))
    assert np.array_equal(card_samples(generator, 20, CARD_TRUNCATION), np.stack(wanted))


def test_without_data_there_is_nothing_to_measure_against() -> None:
    with pytest.raises(ValueError, match="give --data"):
        dcgan.RECIPE.real(16, Context(data=None, device=CPU, amp=False))


def test_a_name_that_is_none_is_refused_before_the_measure(tmp_path: Path) -> None:
    context = Context(data=tmp_path, device=CPU, amp=False)
    with pytest.raises(ValueError, match="letters, digits and underscores, got 'a/b'"):
        dcgan.RECIPE.publish(DcganConfig(), tmp_path, context, PublishOptions(name="a/b"))


def test_a_run_without_previews_fails_before_the_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_recipe, "measure", lambda *given: pytest.fail("measured for nothing"))
    monkeypatch.setattr(gan_card, "find_neighbours", lambda *given: pytest.fail("compared for nothing"))
    context = Context(data=noise_folder(tmp_path / "faces"), device=CPU, amp=False, pictures=8)
    config = DcganConfig(**{**TINY, "preview_every": 0, "evaluate_every": 0})
    Trainer(dcgan.RECIPE.build(config, context), config, tmp_path / "run").run()
    options = PublishOptions(weights_dir=tmp_path / "weights", checkpoint="last.pt")
    with pytest.raises(FileNotFoundError, match="train with --preview-every"):
        dcgan.RECIPE.publish(config, tmp_path / "run", context, options)


def test_a_measure_that_fails_leaves_the_card_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, config = published(tmp_path)
    weights = tmp_path / "weights"
    before = {path.name: path.read_bytes() for path in weights.iterdir()}
    assert {"dcgan_test_film.mp4", "dcgan_test_grid.png"} < before.keys()
    Trainer(dcgan.RECIPE.build(replace(config, seed=7), context), replace(config, seed=7), tmp_path / "other").run()
    (tmp_path / "other" / LAST).unlink()  # a kill while it is replaced leaves `PREVIOUS`, which is enough

    def fail(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sample_recipe, "measure", fail)
    options = PublishOptions(weights_dir=weights, name="dcgan_test")
    with pytest.raises(MemoryError), pytest.warns(UserWarning, match=r"last.pt: missing"):
        dcgan.RECIPE.publish(config, tmp_path / "other", context, options)
    assert {path.name: path.read_bytes() for path in weights.iterdir()} == before


def test_a_run_of_another_version_is_not_published(tmp_path: Path) -> None:
    """A setting that its checkpoint lacks would be recorded with the default of now."""
    published(tmp_path)
    state = load(tmp_path / "run" / BEST)
    settings = state["config"]
    without = {key: value for key, value in settings.items() if key != "mixed_batches"}
    (tmp_path / "old").mkdir()
    command = ["publish", "dcgan", "--out", str(tmp_path / "old"), "--data", str(tmp_path / "faces")]
    for other, name in ((without, "mixed_batches"), (settings | {"gone": 1}, "gone")):
        torch.save(state | {"config": other}, tmp_path / "old" / BEST)
        with pytest.raises(SystemExit, match=rf"old was trained by a version whose settings .* \({name}\)"):
            command_line.main([*command, "--weights-dir", str(tmp_path / "nowhere")])
    assert not (tmp_path / "nowhere").exists()


def fashion_folder(folder: Path, count: int = 20) -> np.ndarray:
    """The training files of Fashion-MNIST, with noise in them; returns the pictures."""
    folder.mkdir()
    pictures = np.random.default_rng(0).integers(1, 256, (count, 28, 28), dtype=np.uint8)
    for name, array in (("images-idx3", pictures), ("labels-idx1", np.zeros(count, np.uint8))):
        head = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
        (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    return pictures


def test_fashion_mnist_gets_a_black_margin(tmp_path: Path) -> None:
    pictures = fashion_folder(tmp_path / "fashion")
    found = dcgan_fashion.read(tmp_path / "fashion", 32)
    assert found.shape == (20, 32, 32, 1)
    assert np.array_equal(found[:, 2:30, 2:30, 0], pictures)
    assert found.sum() == pictures.sum()
    with pytest.raises(ValueError, match="has 28 px, to which a margin is added: got size 16"):
        dcgan_fashion.read(tmp_path / "fashion", 16)


def test_grey_generators_are_published_too(tmp_path: Path) -> None:
    fashion_folder(tmp_path / "fashion")
    context = Context(data=tmp_path / "fashion", device=CPU, amp=False, pictures=8)
    config = replace(DcganFashionConfig(**TINY), size=32, evaluate_every=0)
    Trainer(dcgan_fashion.RECIPE.build(config, context), config, tmp_path / "run").run()
    options = PublishOptions(weights_dir=tmp_path / "weights", checkpoint="last.pt")
    assert dcgan_fashion.RECIPE.publish(config, tmp_path / "run", context, options) == "dcgan_fashion"
    entry = load_manifest(tmp_path / "weights")["dcgan_fashion"]
    assert entry.network["channels"] == 1 and entry.preprocessing["colour"] == "grey"
    network = Generator(**{key: value for key, value in entry.network.items() if key != "name"})
    network.load_state_dict(load_state_dict("dcgan_fashion", tmp_path / "weights"))
    pictures = generate(network.eval(), latents(2, 4, 0))
    assert pictures[0].shape == (32, 32, 3) and np.ptp(pictures[0], axis=2).max() == 0


def test_cars_are_central_squares(tmp_path: Path) -> None:
    folder = tmp_path / "cars"
    folder.mkdir()
    wide = np.zeros((100, 180, 3), np.uint8)
    wide[:, 40:140] = 200  # the central square
    Image.fromarray(wide).save(folder / "car.png")
    assert (dcgan_cars.RECIPE.read(folder, 64) == 200).all()


def test_faces_are_the_middle_of_their_pictures(tmp_path: Path) -> None:
    """150 of 250 px, from folders of people, beside a file of whole pictures; told apart and made once."""
    folder = tmp_path / "lfw-deepfunneled"
    whole = np.zeros((250, 250, 3), np.uint8)
    whole[50:200, 50:200] = 200
    for number, person in enumerate(["A_B", "C_D"]):
        (folder / person).mkdir(parents=True)
        whole[125, 125] = number  # another file
        Image.fromarray(whole).save(folder / person / f"{person}_0001.png")
    context = Context(data=folder, device=CPU, amp=False)
    faces = dcgan_faces.RECIPE.pictures(64, context)
    assert faces.shape == (2, 64, 64, 3) and faces[:, [0, -1]].min() == 200
    assert dcgan.RECIPE.pictures(64, context)[:, [0, -1]].max() == 0
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")}
    assert sorted(files) == ["lfw-deepfunneled_64.h5", "lfw-deepfunneled_64_centre60.h5"]
    dcgan_faces.RECIPE.pictures(64, context)
    assert files == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")}


def test_faces_are_learned_as_anime_faces_are() -> None:
    """By the same class, which measures and looks for copies; longer or wider, but with the same losses and rates."""
    faces, anime = asdict(dcgan_faces.RECIPE.config()), asdict(DcganConfig())
    sizes = {"steps", "batch_size", "width", "ema_decay", "evaluate_every", "decay_steps"}
    assert {key for key in anime if faces[key] != anime[key]} <= sizes
    assert type(dcgan_faces.RECIPE) is type(dcgan.RECIPE)


@pytest.mark.parametrize("module", [dcgan, dcgan_cars, dcgan_faces, dcgan_fashion])
def test_specs_stand_for_what_they_publish(module: Any) -> None:
    spec: SampleRecipe = module.RECIPE
    assert module.RECIPE.weights == (spec.weight,) and spec.weight.startswith("dcgan_")
    assert spec.config().decay_steps <= spec.config().steps
