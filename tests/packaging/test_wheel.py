"""The wheel, installed in a folder of its own and used from an empty one: nothing of the source tree is near."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvdemo import __version__
from cvdemo.example_pictures import example_picture

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def run(command: list[str | Path], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CVDEMO_WEIGHTS"} | variables
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was installed into; the dependencies are those of the running environment."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    built = run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels], ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob(f"cvdemo-{__version__}-*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    done = run([*pip, "--target", target, wheel], wheels)
    assert done.returncode == 0, done.stderr
    return target


def in_empty_folder(installed: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """One of the wheel's programs."""
    return run([installed / "bin" / command[0], *command[1:]], folder, PYTHONPATH=str(installed))


def test_a_picture_is_classified_with_the_weights_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pic.jpg").write_bytes(Path(example_picture("chelsea")).read_bytes())
    done = in_empty_folder(installed, tmp_path, "cvdemo", "classify", "pic.jpg", "-")
    assert done.returncode == 0, done.stderr
    assert "tabby" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["pic.jpg"]


def test_training_starts_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = in_empty_folder(installed, tmp_path, "cvdemo-train", "--list")
    assert done.returncode == 0, done.stderr
    assert "srcnn" in done.stdout


def test_the_page_has_its_scripts_and_pictures(installed: Path, tmp_path: Path) -> None:
    code = "import cvdemo.ui.page as page; page.build_page(); print(page.__file__)"
    done = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_a_file_that_is_gone_says_how_to_install_it_again(installed: Path, tmp_path: Path) -> None:
    code = """
from cvdemo.data_folders import data_folder
from cvdemo.errors import WeightsError
from cvdemo.weights import load_state_dict
(data_folder("weights") / "lenet_fashion_mnist.safetensors").unlink()
try:
    load_state_dict("lenet_fashion_mnist")
except WeightsError as error:
    print(error)
"""
    done = run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(installed))
    assert "lenet_fashion_mnist.safetensors is missing; restore it with `pip install" in done.stdout, done.stderr


def test_types_travel_with_the_wheel(installed: Path) -> None:
    assert (installed / "cvdemo" / "py.typed").is_file()
    assert (installed / "train" / "py.typed").is_file()
