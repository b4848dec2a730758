"""The networks on offer for upscaling: which, in what order, and what is said where there are none."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cvdemo.errors import InputError, WeightsError
from cvdemo.images import ImageArray
from cvdemo.upscale import upscale as upscale_module
from cvdemo.upscale.catalogue import NETWORKS, list_networks, network_named, networks_or_default
from cvdemo.upscale.upscale import UpscaleConfig, load_network
from tests.helpers.untrained_upscale_weights import add_fast
from tests.helpers.upscaled import upscaled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's networks for x2 and an untrained fast one for x2 and x3."""
    return add_fast(tmp_path / "weights", scales=(2, 3))


def test_fast_comes_first(folder: Path) -> None:
    networks = list_networks(2, folder)
    assert list(networks) == ["fast", "9-5-5"]
    assert (networks["fast"].weight, networks["9-5-5"].weight) == ("srcnn_fast_x2", "srcnn_x2")
    assert [choice.title for choice in networks.values()] == ["Fast, ours", "SRCNN 9-5-5"]
    assert {choice.scale for choice in networks.values()} == {2}
    assert networks["fast"].psnr == 37.12 and networks["9-5-5"].bicubic_psnr == 33.66
    assert networks["fast"].words == "Quick: 55 % less error"  # 3.46 dB more: 0.45 of the mean squared error


def test_automatic_is_the_first_there_is(folder: Path) -> None:
    assert network_named(2, weights_dir=folder).value == "fast"
    assert network_named(4, weights_dir=folder).value == "9-5-5"


@pytest.fixture(scope="module")
def with_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained networks for x2: fast, and for photographs; for x3 only that for photographs."""
    return add_fast(tmp_path_factory.mktemp("photo") / "weights", scales=(2,), photo_scales=(2, 3))


def test_photographs_have_a_network_of_their_own(with_photo: Path) -> None:
    networks = list_networks(2, with_photo)
    assert list(networks) == ["fast", "photo", "9-5-5"]
    assert networks["photo"].weight == "srcnn_photo_x2" and networks["photo"].title == "For photographs, ours"
    assert networks["photo"].words == "For photographs from a phone or the web"


@pytest.mark.parametrize(
    ("scale", "quality", "value"),
    [
        (2, None, "fast"),
        (2, 40, "photo"),
        (2, 90, "photo"),
        (2, 91, "fast"),
        (3, None, "9-5-5"),
        (3, 75, "photo"),
        (4, 75, "9-5-5"),
    ],
)
def test_automatic_takes_it_for_a_damaged_jpeg(with_photo: Path, scale: int, quality: int | None, value: str) -> None:
    assert network_named(scale, weights_dir=with_photo, jpeg_quality=quality).value == value
    assert network_named(2, "fast", with_photo, jpeg_quality=quality).value == "fast"  # who chose is obeyed


def test_a_network_that_the_scale_lacks_is_named_with_those_there_are(folder: Path) -> None:
    with pytest.raises(InputError, match="For scale 4 the networks are 9-5-5, not 'fast': choose one of them"):
        network_named(4, "fast", folder)


def test_an_unknown_scale_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"scale must be one of \[2, 3, 4\], got 5"):
        list_networks(5, folder)


def test_a_manifest_without_networks_still_builds_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    assert list(networks_or_default(2)) == ["auto"]  # no manifest at all
    (tmp_path / "manifest.json").write_text(json.dumps({"weights": {}}))
    assert list(networks_or_default(2)) == ["auto"]
    with pytest.raises(WeightsError, match="no weight for upscaling by 2"):
        network_named(2)


def test_of_two_with_one_value_the_first_counts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"]["another_x2"] = manifest["weights"]["srcnn_x2"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert list_networks(2, folder)["9-5-5"].weight == "srcnn_x2"


def test_a_measure_that_is_missing_is_none(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"]["srcnn_x2"]["metric"] = {"name": "none", "value": 3.0}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert list_networks(2, folder)["9-5-5"].psnr is None


def test_the_config_offers_what_the_manifest_has() -> None:
    offered = {value for scale in (2, 3, 4) for value in list_networks(scale)}
    assert NETWORKS[0] == "auto" and set(NETWORKS) == offered | {"auto"} and "9-5-5" in offered
    with pytest.raises(ValueError, match=r"network must be one of .*'auto'.*, got 'esrgan'"):
        UpscaleConfig(network="esrgan")


@pytest.fixture
def nothing_loaded() -> Iterator[None]:
    """Neither before nor after: a network from another weights folder must not be handed to another test."""
    cache = vars(upscale_module._load)["cache"]
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("nothing_loaded")
def test_the_fast_network_is_loaded_and_runs(folder: Path, noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", folder)
    fast, paper = (load_network(network_named(2, value), "cpu") for value in ("auto", "9-5-5"))
    assert (fast.reads, paper.reads) == ("low_res", "enlarged")
    results = [upscaled(noise, network, UpscaleConfig()).image for network in (fast, paper)]
    assert results[0].shape == results[1].shape == (96, 128, 3)
    assert np.abs(results[0].astype(int) - results[1]).max() > 3
