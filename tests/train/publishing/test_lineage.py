"""What a network came from: recorded through `--start`, told in the manifest, and run again by `refresh`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from cvdemo.upscale.network import make_network
from cvdemo.weights import WeightEntry, load_manifest
from tests.train.publishing.test_publish import FIELDS, put
from tests.train.tiny_tasks import altered
from tests.train.upscale.test_upscale_recipe import save_noise
from train import __main__ as command_line
from train import commands
from train.engine.checkpoint import BEST, LAST, load
from train.engine.config_options import config_from
from train.engine.loop import Trainer
from train.publishing import lineage
from train.publishing.lineage import runs_before
from train.publishing.publish import model_card, publish
from train.publishing.recipe import BASELINE, PublishOptions, command_of
from train.recipes import RECIPES
from train.recipes.dcgan import DcganConfig
from train.recipes.srcnn import SrcnnConfig

TINY: dict[str, Any] = {"batch_size": 2, "evaluate_every": 1, "crop_px": 24, "patch_px": 84, "channels": (4, 3)}
TINY |= {"float32_steps": 0, "bsds": False, "shrink": (1.0,)}
FIRST = SrcnnConfig(steps=2, **TINY)
SECOND = SrcnnConfig(steps=3, scale=3, lr=0.1, start="first", **TINY)


def recorded(config: SrcnnConfig) -> dict[str, Any]:
    """A run as the manifest holds it."""
    settings: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return {"command": command_of("srcnn", config), "settings": settings, "hours": 0.5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with "made", which two runs made, and `data` beside it."""
    save_noise(tmp_path / "data" / "t91", 3)
    put(tmp_path / "weights", "first", recipe="srcnn", **recorded(FIRST))
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path / "weights")
    put(tmp_path / "weights", "made", recipe="srcnn", **recorded(SECOND), earlier=(recorded(FIRST),))
    return tmp_path / "weights"


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def refresh(folder: Path, *words: str) -> None:
    data, out = str(folder.parent / "data"), str(folder.parent / "runs")
    command_line.main(["refresh", "made", "--data", data, "--out", out, "--device", "cpu", *words])


def test_a_start_brings_its_runs_with_it(folder: Path) -> None:
    assert runs_before("") == []
    assert runs_before("made") == [recorded(FIRST), recorded(SECOND)]
    with pytest.raises(ValueError, match="'unmade' is neither a checkpoint file nor a weight; there are first, made"):
        runs_before("unmade")
    (folder / "notes.md").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"notes.md is no checkpoint of a run"):
        runs_before(str(folder / "notes.md"))


def test_a_weight_goes_before_a_file_of_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    Path("made").write_text("no checkpoint")
    assert lineage.file_to_start_from("made") is None


def test_refresh_starts_every_run_from_the_network_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refresh(folder)
    runs = folder.parent / "runs"
    first, second = load(runs / "1" / BEST), load(runs / "2" / LAST)
    assert (load(runs / "1" / LAST)["step"], second["step"]) == (2, 3)
    assert second["config"]["start"] == str(runs / "1" / BEST) and first["earlier"] == []
    assert [run["command"] for run in second["earlier"]] == [first["command"]] == [command_of("srcnn", FIRST)]
    assert " --start CHECKPOINT --" in second["command"]
    text = capsys.readouterr().out
    assert "2 of 2: python -m train srcnn" in text and "resume" not in text
    assert f"next: python -m train publish srcnn --out {runs}/2 --data {folder.parent}/data --name made" in text


def test_the_averaged_network_is_what_a_run_starts_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, torch.Tensor] = {}

    class Spy(Trainer):
        def run(self) -> bool:
            seen.update({key: tensor.clone() for key, tensor in self.ema.network.state_dict().items()})
            return super().run()

    refresh(folder)
    started = folder.parent / "runs" / "1" / BEST
    state = load(started)
    state["ema"] = {key: tensor + 1 for key, tensor in state["ema"].items()}
    torch.save(state, started)
    for path in (folder.parent / "runs" / "2").iterdir():
        path.unlink()
    monkeypatch.setattr(commands, "Trainer", Spy)
    refresh(folder)
    assert same_tensors(seen, state["ema"])


@pytest.mark.slow
def test_refresh_goes_on_and_refuses_another_run(folder: Path) -> None:
    refresh(folder)
    before = load(folder.parent / "runs" / "2" / LAST)
    refresh(folder)
    after = load(folder.parent / "runs" / "2" / LAST)
    assert after["step"] == 3 and same_tensors(after["ema"], before["ema"])
    put(folder, "made", recipe="srcnn", **recorded(SrcnnConfig(steps=1, seed=4, **TINY)))
    with pytest.raises(SystemExit, match=r"runs/1 holds another run .*'seed': \(0, 4\)"):
        refresh(folder)


def test_refresh_fetches_the_data_and_takes_a_precision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="its data are not fetched for you"):
        refresh(folder, "--download")
    fetched: list[Path] = []
    precisions: list[bool] = []

    def stopped(trainer: Trainer) -> bool:
        precisions.append(trainer.task.amp)
        return False

    monkeypatch.setitem(RECIPES, "srcnn", altered(RECIPES["srcnn"], download=fetched.append))
    monkeypatch.setattr(Trainer, "run", stopped)
    refresh(folder, "--download", "--no-amp")
    refresh(folder, "--amp")
    assert fetched == [folder.parent / "data"]
    assert precisions == [False, True]


def test_a_baseline_stays_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(folder, "made", recipe="srcnn", task=BASELINE, **recorded(FIRST))
    refresh(folder)
    assert capsys.readouterr().out.endswith(" --name made --baseline\n")
    options: list[PublishOptions] = []
    monkeypatch.setattr(commands, "_publish_run", lambda recipe, out, given, args: options.append(given))
    refresh(folder, "--publish")
    assert options == [PublishOptions(name="made", baseline=True)]


def test_a_stopped_run_ends_the_refresh(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda self: False)
    refresh(folder, "--publish")
    assert capsys.readouterr().out.endswith("stopped; the same command goes on\n")
    assert not (folder.parent / "runs" / "2").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "import-backbone", "command": "python -m train import-backbone"}, "was not trained"),
        ({"settings": None}, "was not trained with recorded settings"),
        (recorded(SECOND), "does not tell every run that made made"),
        ({**recorded(FIRST), "earlier": (recorded(FIRST),)}, "does not tell every run"),
        ({"settings": {"stride": 3}}, r"a version whose settings differ from this one's \(.*stride"),
        (
            {"settings": {k: v for k, v in asdict(FIRST).items() if k != "bsds"}},
            r"made was trained by a version whose settings differ from this one's \(bsds\)",
        ),
    ],
)
def test_nothing_is_run_where_a_run_is_not_known(folder: Path, changes: dict[str, Any], message: str) -> None:
    put(folder, "made", **({"recipe": "srcnn", **recorded(FIRST)} | changes))
    with pytest.raises(SystemExit, match=message):
        refresh(folder)
    assert not (folder.parent / "runs").exists()


def test_what_a_run_started_from_is_not_what_was_published_since(folder: Path) -> None:
    """Resumed after its start got another entry, a run still tells the first, and that its settings changed."""
    words = ["srcnn", "--data", str(folder.parent / "data"), "--device", "cpu", "--start", "first", "--scale", "3"]
    words += ["--channels", "4", "3", "--crop-px", "24", "--patch-px", "84", "--batch-size", "2", "--no-bsds"]
    out = ["--out", str(folder.parent / "run")]
    fields = FIELDS | recorded(FIRST) | {"recipe": "srcnn"}
    state_dict = make_network(FIRST.network).state_dict()
    publish("first", state_dict, **fields, weights_dir=folder)
    command_line.main([*words, *out, "--steps", "1"])
    assert load(folder.parent / "run" / LAST)["earlier"] == [recorded(FIRST)]
    publish("first", state_dict, **(fields | {"hours": 9.0}), weights_dir=folder)
    with pytest.warns(UserWarning, match="another configuration"):
        command_line.main([*words, *out, "--steps", "2", "--resume"])
    state = load(folder.parent / "run" / LAST)
    assert state["step"] == 2 and state["earlier"] == [recorded(FIRST)]
    (changed,) = state["changed"]
    assert changed["until_step"] == 1 and " --steps 1 " in changed["command"]
    assert lineage.changed_on_the_way(state) == f"Until step 1 the command was `{changed['command']}`."


def test_the_hours_of_a_run_are_those_of_its_last_checkpoint(tmp_path: Path) -> None:
    for name, seconds in ((BEST, 3600.0), (LAST, 7200.0)):
        state = {"networks": {}, "config": {"steps": 1, "start": "/elsewhere/a.pt"}, "seconds": seconds, "command": "c"}
        torch.save(state, tmp_path / name)
    assert runs_before(str(tmp_path / BEST)) == [
        {"command": "c", "settings": {"steps": 1, "start": "CHECKPOINT"}, "hours": 2.0}
    ]


def test_a_card_tells_the_runs_before(folder: Path) -> None:
    entry = load_manifest(folder)["made"]
    assert f"| Before it | `{entry.earlier[0]['command']}`, 0.50 h |" in model_card("made", entry)
    assert "Before it" not in model_card("first", load_manifest(folder)["first"])


@pytest.mark.parametrize("start", ["/somewhere/runs/1/best.pt", "my run/last.pth"])
def test_where_a_checkpoint_lay_is_not_recorded(start: str) -> None:
    assert "--start CHECKPOINT --data" in command_of("srcnn", SrcnnConfig(start=start))


def trained() -> dict[str, WeightEntry]:
    """Weights of the manifest that a recipe made."""
    return {name: entry for name, entry in load_manifest().items() if entry.recipe in RECIPES}


@pytest.mark.slow
@pytest.mark.parametrize("name", trained())
def test_every_recorded_command_gives_the_recorded_settings(name: str) -> None:
    """A default that changes would change what the commands of the manifest mean."""
    entry = trained()[name]
    last = {"command": entry.command, "settings": entry.settings}
    for number, run in enumerate([*entry.earlier, last]):
        args = command_line._parser().parse_args(run["command"].split()[3:])
        given = json.loads(json.dumps(asdict(config_from(args, RECIPES[args.command].config))))
        if given["epochs"]:  # from which these follow
            given |= {key: run["settings"][key] for key in ("steps", "evaluate_every")}
        assert given == run["settings"]
        assert bool(given.get("start")) == (number > 0)


def test_an_empty_list_of_values_survives_the_command_line() -> None:
    config = DcganConfig(diff_augment=())
    args = command_line._parser().parse_args(["dcgan", "--diff-augment", "--data", "DIR"])
    assert args.diff_augment == []
    words = command_of("dcgan", config).split()[3:]
    assert config_from(command_line._parser().parse_args(words), DcganConfig) == config
