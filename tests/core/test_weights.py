"""The manifest and the loader; the Hub is a small server on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from cvdemo.errors import WeightsError
from cvdemo.weights import WEIGHTS_DIR, entry_of, load_ensembles, load_labels, load_manifest, load_state_dict
from tests.helpers.manifest_files import CountedParses, aged
from train.publishing.architecture import ROW
from train.publishing.publish import model_card

RESULTS = WEIGHTS_DIR.parent / "docs" / "results.md"

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONTENT = save({"w": torch.arange(4.0)})
ENTRY = {
    "file": "tiny.safetensors",
    "task": "test",
    "network": {"name": "tiny"},
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "bytes": len(CONTENT),
    "preprocessing": {},
    "labels": "tiny.txt",
    "recipe": "tiny",
    "command": "python -m train tiny",
    "dataset": "none",
    "licence": "Apache-2.0",
    "seed": 0,
    "hardware": "none",
    "hours": 0.0,
    "metric": {},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A weights folder with one weight, its labels and no Hub."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "tiny.txt").write_text("cat\ndog\n", encoding="utf-8")
    (tmp_path / "tiny.safetensors").write_bytes(CONTENT)
    (tmp_path / "manifest.json").write_text(json.dumps({"hub": None, "weights": {"tiny": ENTRY}}), encoding="utf-8")
    return tmp_path


def test_a_weight_is_read_from_the_local_file(folder: Path) -> None:
    assert load_state_dict("tiny", folder)["w"].tolist() == [0, 1, 2, 3]
    assert load_labels("tiny", folder) == ["cat", "dog"]


def test_a_missing_file_names_itself_and_the_commands_that_restore_it(folder: Path) -> None:
    (folder / "tiny.safetensors").unlink()
    sentence = r"weights/tiny.safetensors is missing; restore it with `git checkout .*` or .*`python -m train tiny`"
    with pytest.raises(WeightsError, match=sentence):
        load_state_dict("tiny", folder)


def test_an_altered_file_is_refused(folder: Path) -> None:
    (folder / "tiny.safetensors").write_bytes(save({"w": torch.ones(4)}))
    with pytest.raises(WeightsError, match=r"tiny.safetensors is not the file that the manifest lists; restore it"):
        load_state_dict("tiny", folder)


def test_an_unknown_name_lists_those_there_are(folder: Path) -> None:
    with pytest.raises(WeightsError, match="no weight named 'nothing'; the manifest has tiny"):
        entry_of("nothing", folder)


def test_the_manifest_is_parsed_once_until_it_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = folder / "manifest.json"
    aged(manifest)
    parses = CountedParses(monkeypatch)
    for _ in range(3):
        assert load_state_dict("tiny", folder) and load_labels("tiny", folder) and load_ensembles(folder) == {}
    assert parses.count == 1
    manifest.write_text(manifest.read_text().replace("Apache-2.0", "Apache-3.0"), encoding="utf-8")  # of the same size
    aged(manifest, 50)
    assert entry_of("tiny", folder).licence == "Apache-3.0" and parses.count == 2


def test_a_manifest_that_was_just_written_is_read_again(folder: Path) -> None:
    """Two writes within one tick of the file system's clock leave the same time and size."""
    manifest = folder / "manifest.json"
    before = manifest.stat()
    assert entry_of("tiny", folder).licence == "Apache-2.0"
    manifest.write_text(manifest.read_text().replace("Apache-2.0", "Apache-3.0"), encoding="utf-8")
    os.utime(manifest, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert entry_of("tiny", folder).licence == "Apache-3.0"


def test_who_changes_what_was_loaded_changes_nothing_for_others(folder: Path) -> None:
    aged(folder / "manifest.json")
    load_manifest(folder).clear()
    assert list(load_manifest(folder)) == ["tiny"]


@pytest.mark.parametrize("text", ["", "{}", '{"weights": {"x": {"file": "x"}}}'])
def test_a_damaged_manifest_says_how_to_restore_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"manifest.json is missing or damaged; restore it with `git checkout"):
        load_manifest(tmp_path)


def test_missing_labels_name_the_file(folder: Path) -> None:
    (folder / "labels" / "tiny.txt").unlink()
    with pytest.raises(WeightsError, match=r"weights/labels/tiny.txt is missing"):
        load_labels("tiny", folder)


class Hub(BaseHTTPRequestHandler):
    """What `hf_hub_download` asks of a Hub: one file, at one revision, with its etag and commit."""

    content = CONTENT

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, *, send_body: bool) -> None:
        found = self.path == f"/someone/weights/resolve/{REVISION}/tiny.safetensors"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", '"etag-of-tiny"')
        self.send_header("Content-Length", str(len(self.content) if found else 0))
        self.end_headers()
        if send_body and found:
            self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def load_in_new_process(folder: Path, endpoint: str, pin: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """`load_state_dict("tiny")` where the Hub is `endpoint`; its client reads the environment at import."""
    code = before + (
        "from pathlib import Path\nfrom cvdemo.weights import load_state_dict\nfrom cvdemo.errors import WeightsError\n"
        f"try:\n    print(load_state_dict('tiny', Path({str(folder)!r}))['w'].tolist())\n"
        "except WeightsError as error:\n    print('WeightsError:', error)"
    )
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "home")}
    environment |= {"CVDEMO_HUB": pin, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=WEIGHTS_DIR.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
def test_what_is_not_on_disk_comes_from_the_pinned_revision(folder: Path, hub: str) -> None:
    (folder / "tiny.safetensors").unlink()
    assert "[0.0, 1.0, 2.0, 3.0]" in load_in_new_process(folder, hub, f"someone/weights@{REVISION}").stdout


@pytest.mark.slow
def test_an_altered_file_from_the_hub_is_refused(folder: Path, hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tiny.safetensors").unlink()
    monkeypatch.setattr(Hub, "content", save({"w": torch.ones(4)}))
    out = load_in_new_process(folder, hub, f"someone/weights@{REVISION}").stdout
    assert "WeightsError: weights/tiny.safetensors is not the file that the manifest lists" in out


@pytest.mark.slow
def test_without_a_network_one_sentence_says_so(folder: Path) -> None:
    (folder / "tiny.safetensors").unlink()
    without_waiting = "import time\ntime.sleep = lambda seconds: None\n"  # 23 s between the tries of the Hub's client
    done = load_in_new_process(folder, "http://127.0.0.1:9", f"someone/weights@{REVISION}", without_waiting)
    assert "is missing and someone/weights on the Hub does not give it (is there a network?)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_branch_is_no_pin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tiny.safetensors").unlink()
    monkeypatch.setenv("CVDEMO_HUB", "someone/weights@main")
    with pytest.raises(WeightsError, match="full commit hash of 40 digits, got 'main'"):
        load_state_dict("tiny", folder)


def test_the_shipped_weights_are_those_of_the_manifest() -> None:
    manifest = load_manifest()
    assert "efficientnet_lite0" in manifest
    for name, entry in manifest.items():
        data = (WEIGHTS_DIR / entry.file).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.sha256, entry.bytes), name
        assert (WEIGHTS_DIR / f"{name}.md").is_file(), f"{name} has no model card"
    listed = {entry.file for entry in manifest.values()}
    assert {path.name for path in WEIGHTS_DIR.glob("*.safetensors")} == listed
    assert sum(entry.bytes for entry in manifest.values()) < 80e6


@pytest.mark.parametrize("name", load_manifest())
def test_each_card_tells_what_the_manifest_tells(name: str) -> None:
    lines = (WEIGHTS_DIR / f"{name}.md").read_text(encoding="utf-8").splitlines(keepends=True)
    card = "".join(line for line in lines if not line.startswith(f"| {ROW} |"))  # has a test of its own
    assert card.startswith(model_card(name, load_manifest()[name]))


def test_ensembles_were_measured_on_the_weights_that_are_there() -> None:
    manifest = load_manifest()
    for name, ensemble in load_ensembles().items():
        assert ensemble.sha256 == {member: manifest[member].sha256 for member in ensemble.members}, name


@pytest.mark.parametrize(
    ("name", "set5", "set14"),
    [
        ("srcnn_x2", 36.66, 32.42),
        ("srcnn_x3", 32.75, 29.28),
        ("srcnn_x4", 30.48, 27.49),
        ("srcnn_fast_x2", 37.10, 32.65),
        ("srcnn_fast_x3", 33.20, 29.45),
        ("srcnn_fast_x4", 30.75, 27.60),
    ],
)
def test_the_recorded_figures_in_db_reach_their_goals(name: str, set5: float, set14: float) -> None:
    value = load_manifest()[name].metric["value"]
    assert value["set5"] >= set5 - 1e-9 and value["set14"] >= set14 - 1e-9


@pytest.mark.parametrize("name", [f"srcnn{kind}_x{scale}" for kind in ("", "_fast", "_photo") for scale in (2, 3, 4)])
def test_the_super_resolution_figures_stand_in_the_results(name: str) -> None:
    value = load_manifest()[name].metric["value"]
    results = RESULTS.read_text(encoding="utf-8")
    (row,) = (line for line in results.splitlines() if line.startswith(f"| `{name}` |"))
    for data in ("set5", "set14"):
        assert f"| {value[data]:.2f}, {value[f'{data}_ssim']:.4f} |" in row
    assert f"| {value['set5_bicubic']:.2f}, {value['set14_bicubic']:.2f} |" in row


@pytest.mark.parametrize("name", [f"srcnn_photo_x{scale}" for scale in (2, 3, 4)])
def test_photographs_gain_as_much_as_the_results_tell(name: str) -> None:
    """More than by bicubic and by the clean network, at the qualities of JPEG that were set as the goal."""
    value = load_manifest()[name].metric["value"]
    for quality in (40, 70):
        assert value[f"set14_jpeg{quality}"] > max(
            value[f"set14_jpeg{quality}_{other}"] for other in ("bicubic", "clean")
        )
    told = [
        f"{value[f'set14_jpeg{quality}{other}']:.2f}"
        for other in ("_bicubic", "_clean", "")
        for quality in (40, 70, 90)
    ]
    assert f"| ×{name[-1]} | {' | '.join(told)} |" in RESULTS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["dcgan_anime", "dcgan_plain", "dcgan_fashion"])
def test_the_figures_of_generators_stand_in_the_results(name: str) -> None:
    value = load_manifest()[name].metric["value"]
    results = RESULTS.read_text(encoding="utf-8")
    (row,) = (line for line in results.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"FD-Lite0 {value['fd_lite0']:.1f}, KID-Lite0 {value['kid_lite0']:.3f}" in row


def test_faces_are_within_40_percent_of_the_plain_recipes() -> None:
    ours, plain = (load_manifest()[name].metric for name in ("dcgan_anime", "dcgan_plain"))
    assert ours["n"] == plain["n"] == 10_000 and ours["pictures"] == plain["pictures"]
    assert ours["value"]["fd_lite0"] <= 0.4 * plain["value"]["fd_lite0"]


def in_results(name: str) -> str:
    """The row of a classifier's recipe in the table of results; the rank-1 in it is the manifest's."""
    entry = load_manifest()[name]
    results = RESULTS.read_text(encoding="utf-8")
    (row,) = (line for line in results.splitlines() if line.startswith(f"| `{entry.recipe}` |") and "**" in line)
    assert f"**{entry.metric['value']['rank1']:.2f} %**" in row
    return row


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("lenet_fashion_mnist", 92.0),
        ("cifar10", 94.0),
        ("cifar10_minigooglenet", 90.81),
        ("cats_dogs_features", 98.69),
        ("cats_dogs_finetune", 99.0),
        ("tiny_imagenet_features", 70.0),
        ("tiny_imagenet_finetune", 76.0),
        ("tiny_imagenet", 65.0),
        ("tiny_imagenet_deepergooglenet", 56.0),
        ("imagenette", 90.0),
        ("caltech101_features", 91.5),
    ],
)
def test_the_recorded_accuracies_reach_their_goals_and_stand_in_the_results(name: str, goal: float) -> None:
    assert in_results(name) and load_manifest()[name].metric["value"]["rank1"] >= goal


def test_the_deep_resnet_is_above_the_books() -> None:
    assert in_results("cifar10_resnet") and load_manifest()["cifar10_resnet"].metric["value"]["rank1"] > 93.58


def test_alexnet_reaches_its_goal_with_ten_crops() -> None:
    ten_crops = load_manifest()["cats_dogs_alexnet"].metric["value"]["ten_crop_rank1"]
    assert ten_crops >= 94.0 and f"| {ten_crops:.2f} %, ten crops |" in in_results("cats_dogs_alexnet")
