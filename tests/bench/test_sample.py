"""The benchmark of samplers: all engines draw the same pictures, and the tables say how they compare."""

import dataclasses

import numpy as np
import pytest
import torch

from bench import sample
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import latents, read_generator
from cvdemo.weights import WeightEntry


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    network = Generator(latent_dim=6, width=4, channels=1, size=16)
    for _ in range(5):  # statistics that folding must take along
        network.train()(torch.randn(16, 6))
    network.eval().requires_grad_(False)
    network.get_parameter(f"layers.{len(network.layers) - 2}.weight").mul_(
        200
    )  # new networks draw hardly more than grey
    return network


@torch.inference_mode()
def test_all_engines_draw_the_same_pictures(generator: Generator) -> None:
    points = torch.randn(5, 6)
    drawn = {name: make(points).astype(int) for name, make in sample.engines(generator).items()}
    assert len(drawn) == 4
    wanted = drawn[sample.PEER]
    assert wanted.shape == (5, 16, 16, 3) and np.ptp(wanted) > 10
    for name, pictures in drawn.items():
        assert np.abs(pictures - wanted).max() <= (8 if "bfloat16" in name else 1), name


@torch.inference_mode()
def test_the_page_draws_the_same_pictures_as_the_peer() -> None:
    network = read_generator("dcgan_fashion")
    points = latents(2, network.latent_dim, 0)
    page, peer = (
        way(points).astype(int) for way in (sample.on_the_page("dcgan_fashion"), sample.engines(network)[sample.PEER])
    )
    assert page.shape == peer.shape and np.abs(page - peer).max() <= 1


def test_folding_leaves_no_batch_norm(generator: Generator) -> None:
    layers = sample.folded(generator)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers)
    points = torch.randn(3, 6)
    torch.testing.assert_close(layers(points[:, :, None, None]), generator(points), rtol=1e-4, atol=1e-5)


def test_engines_take_turns_and_medians_count() -> None:
    calls: list[str] = []

    def maker(name: str, value: int) -> sample.Engine:
        return lambda points: calls.append(name) or np.full((2, 2, 2, 3), value, np.uint8)

    rows = sample.measured({sample.PEER: maker("a", 7), "b": maker("b", 9)}, torch.zeros(2, 1), rounds=3)
    assert calls == ["a", *"abababab"]
    assert rows[sample.PEER][2] == 0 and rows["b"][2] == 2
    assert all(clock >= 0 and cpu >= 0 for clock, cpu, _ in rows.values())


def test_the_table_names_the_ratio_to_the_peer() -> None:
    rows = {sample.PEER: (100.0, 50.0, 0), "fast": (40.0, 25.0, 2)}
    lines = sample.table(rows, 64).splitlines()
    assert lines[0].startswith("| 64 samples |")
    assert lines[3] == "| fast | 40 (2.5x) | 25 (2.0x) | 2 |"


def test_generators_are_told_with_their_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {field.name: "" for field in dataclasses.fields(WeightEntry)}
    metric = {"value": {"fd_lite0": 300.5, "fd_floor": 36.4}, "n": 10_000, "command": "measure"}
    ours = fields | {"network": {"name": "dcgan"}, "recipe": "dcgan"}
    generator = WeightEntry(**{**ours, "task": "sample", "metric": metric})
    plain = WeightEntry(**{**ours, "task": "baseline", "metric": metric | {"value": {"fd_lite0": 601.0}}})
    other = WeightEntry(**{**fields, "task": "classify", "network": {"name": "lenet"}})
    manifest = {"dcgan_a": generator, "lenet": other}
    monkeypatch.setattr(sample, "load_manifest", lambda: manifest)
    lines = sample.quality().splitlines()
    assert lines[2:] == ["| dcgan_a | fd_lite0 300.5, fd_floor 36.4 | 10,000 |  | `measure` |"]
    manifest["dcgan_plain"] = plain
    assert [line.split(" | ")[3] for line in sample.quality().splitlines()[2:]] == ["50%", "100%"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("lenet_fashion_mnist", "'lenet_fashion_mnist' is not a generator."), ("absent", "no weight named 'absent'")],
)
def test_what_draws_nothing_is_refused_in_a_sentence(
    name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        sample.main(["--generator", name])
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_prints_both_tables(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    sample.main(["--count", "4", "--rounds", "1", "--threads", str(threads)])
    text = capsys.readouterr().out
    assert "| torch, float32 |" in text and "(1.0x)" in text
    assert "| dcgan_anime | fd_lite0" in text
