"""The loop on a tiny network: resume bit for bit, signals, what is kept and refused, clipping and loss scale."""

import signal
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.tiny_tasks import CONFIG, PlainTask, TinyTask, equal, same_run
from train.engine import training_task as task_module
from train.engine.checkpoint import BEST, LAST, NEXT, PREVIOUS, load
from train.engine.loop import LoopConfig, Trainer, epoch_indices, seeded, with_steps
from train.engine.monitor import METRICS_FILE, read_records
from train.recipes import RECIPES

SHORT = replace(CONFIG, steps=3, evaluate_every=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert Trainer(TinyTask(), CONFIG, out).run()
    return out


@pytest.mark.parametrize("stop_at", [0, 3, 6])
def test_a_run_stopped_by_sigterm_and_resumed_equals_one_that_was_not(
    whole: Path, tmp_path: Path, stop_at: int
) -> None:
    assert not Trainer(TinyTask(stop_at=stop_at), CONFIG, tmp_path).run()
    torch.manual_seed(99)  # another process has another state
    resumed = Trainer(TinyTask(), CONFIG, tmp_path, resume=True)
    assert resumed.step == stop_at + 1
    assert resumed.run()
    assert same_run(load(whole / LAST), load(tmp_path / LAST))
    expected, records = (read_records(folder / METRICS_FILE) for folder in (whole, tmp_path))
    assert [r | {"seconds": 0} for r in records] == [r | {"seconds": 0} for r in expected]


def test_n_epochs_and_n_more_equal_2n(tmp_path: Path) -> None:
    three, six = (with_steps(replace(CONFIG, steps=0, epochs=epochs), pictures=11) for epochs in (3, 6))
    assert (three.steps, six.steps, six.evaluate_every) == (6, 12, 2)
    Trainer(TinyTask(six), six, tmp_path / "2n").run()
    Trainer(TinyTask(three), three, tmp_path / "n").run()
    with pytest.warns(UserWarning, match=r"'epochs': \(3, 6\)"):
        resumed = Trainer(TinyTask(six), six, tmp_path / "n", resume=True)
    assert resumed.step == 6
    resumed.run()
    assert same_run(load(tmp_path / "2n" / LAST), load(tmp_path / "n" / LAST))
    assert load(tmp_path / "n" / LAST)["epoch"] == 6.0


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    Trainer(TinyTask(), SHORT, tmp_path).run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_does_not_wait_for_the_step(tmp_path: Path) -> None:
    trainer = Trainer(TinyTask(), SHORT, tmp_path)
    with trainer._stop_on_signal():
        signal.raise_signal(signal.SIGINT)
        assert trainer.stop_requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_best_holds_the_best_measure(whole: Path) -> None:
    records = read_records(whole / METRICS_FILE)
    best = load(whole / BEST)
    assert best["best"] == min(record["error"] for record in records if "error" in record)
    network = TinyTask().networks["network"]
    network.load_state_dict(best["ema"])
    assert TinyTask().evaluate(network.eval())["error"] == pytest.approx(best["best"])


def test_a_checkpoint_is_complete(whole: Path) -> None:
    state = load(whole / LAST)
    expected = {"networks", "ema", "ema_updates", "optimizers", "scaler", "step", "epoch", "best", "config", "rng"}
    assert expected <= state.keys()
    assert {"python", "numpy", "torch", "cuda"} == state["rng"][0].keys()
    assert state["optimizers"]["network"]["state"][0].keys() >= {"exp_avg", "exp_avg_sq", "step"}


def test_there_is_a_checkpoint_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="before step 1"):
        Trainer(TinyTask(diverge_at=0), SHORT, tmp_path).run()
    assert load(tmp_path / LAST)["step"] == 0
    assert Trainer(TinyTask(), SHORT, tmp_path, resume=True).run()


def test_a_run_is_not_overwritten(whole: Path) -> None:
    with pytest.raises(FileExistsError, match="--resume"):
        Trainer(TinyTask(), CONFIG, whole)


def test_a_resumed_run_takes_the_options_given_now(tmp_path: Path) -> None:
    Trainer(TinyTask(), SHORT, tmp_path).run()
    task = TinyTask()
    group = task.optimizers["network"].param_groups[0]
    group |= {"weight_decay": 0.25, "eps": 1e-3}
    before = {key: value for key, value in group.items() if key != "params"}
    Trainer(task, SHORT, tmp_path, resume=True)
    group = task.optimizers["network"].param_groups[0]
    assert {key: value for key, value in group.items() if key != "params"} == before
    assert task.optimizers["network"].state_dict()["state"]  # moments come from the checkpoint


def test_a_run_of_another_recipe_is_not_resumed(tmp_path: Path) -> None:
    task = TinyTask()
    task.command = "python -m train srcnn --data DIR --out DIR"
    Trainer(task, SHORT, tmp_path).run()
    other = TinyTask()
    other.command = "python -m train dcgan --data DIR --out DIR"
    with pytest.raises(ValueError, match="holds a run of srcnn, not of dcgan"):
        Trainer(other, SHORT, tmp_path, resume=True)


def test_a_run_without_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a run takes one step or more, got 0"):
        Trainer(TinyTask(), replace(SHORT, steps=0), tmp_path)


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no readable checkpoint"):
        Trainer(TinyTask(), CONFIG, tmp_path, resume=True)


def test_resuming_with_another_config_says_so(whole: Path) -> None:
    with pytest.warns(UserWarning, match=r"'log_every': \(1, 5\)"):
        Trainer(TinyTask(), replace(CONFIG, log_every=5), whole, resume=True)


def test_another_batch_size_is_refused_with_the_reason(whole: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    message = r"in batches of 4, 32 pictures and 8 steps into its schedule; with batches of 5 .* Give --batch-size 4"
    with pytest.raises(ValueError, match=message):
        Trainer(TinyTask(), replace(CONFIG, batch_size=5), whole, resume=True)
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before
    with pytest.raises(FloatingPointError):  # of step 0 nothing would be told wrongly
        Trainer(TinyTask(diverge_at=0), SHORT, tmp_path).run()
    with pytest.warns(UserWarning, match="batch_size"):
        assert Trainer(TinyTask(), replace(SHORT, batch_size=5), tmp_path, resume=True).run()


@pytest.mark.parametrize("steps", [8, 6])
def test_a_finished_run_has_nothing_left_to_do_and_stays_as_it_is(whole: Path, steps: int) -> None:
    before = (whole / LAST).read_bytes()
    config = replace(CONFIG, steps=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(TinyTask(), config, whole, resume=True)
    assert trainer.nothing_left == f"nothing left to do: {whole} is at step 8, and {steps} were asked for"
    assert trainer.run() and (whole / LAST).read_bytes() == before


def test_a_kill_at_the_very_end_is_put_right(tmp_path: Path) -> None:
    Trainer(TinyTask(), SHORT, tmp_path).run()
    before = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).rename(tmp_path / NEXT)  # as between the two renames of a save
    assert Trainer(TinyTask(), SHORT, tmp_path, resume=True).run()
    assert (tmp_path / LAST).read_bytes() == before and not (tmp_path / NEXT).exists()


def test_classes_belong_to_the_checkpoint(tmp_path: Path) -> None:
    def task(*names: str) -> TinyTask:
        made = TinyTask()
        made.class_names = names
        return made

    Trainer(task("cat", "dog"), SHORT, tmp_path).run()
    assert load(tmp_path / LAST)["class_names"] == ["cat", "dog"]
    Trainer(task("cat", "dog"), SHORT, tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"knows the classes 'cat', 'dog', the data have 'cat', 'fox': unknown 'fox'"):
        Trainer(task("cat", "fox"), SHORT, tmp_path, resume=True)
    with pytest.raises(ValueError, match="in another order: 'cat', 'dog'"):
        Trainer(task("dog", "cat"), SHORT, tmp_path, resume=True)
    state = load(tmp_path / LAST)
    del state["class_names"], state["trained_on"]  # as earlier versions saved
    torch.save(state, tmp_path / LAST)
    Trainer(task("cat", "dog"), SHORT, tmp_path, resume=True)


def test_divergence_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="before step 3"):
        Trainer(TinyTask(diverge_at=2), SHORT, tmp_path).run()


def test_a_measure_that_is_not_a_number_is_never_the_best(tmp_path: Path) -> None:
    trainer = Trainer(TinyTask(), SHORT, tmp_path)
    assert not trainer._is_best(float("nan"))
    trainer.best = 2.0
    assert [trainer._is_best(value) for value in (float("nan"), 3.0, 1.0)] == [False, False, True]


def test_epochs_become_steps() -> None:
    config = LoopConfig(epochs=3, batch_size=4)
    assert (with_steps(config, 11).steps, with_steps(config, 11).evaluate_every) == (6, 2)
    assert with_steps(replace(config, evaluate_every=0), 11).evaluate_every == 0
    lenet = RECIPES["lenet-fashion-mnist"].config(epochs=0, steps=100, batch_size=5)
    assert (with_steps(lenet, 11).steps, with_steps(lenet, 11).evaluate_every) == (100, 2)  # still after each epoch
    with pytest.raises(ValueError, match="with --epochs 0 the steps count"):
        with_steps(replace(lenet, epochs=3), 11)
    assert with_steps(LoopConfig(steps=5), 1) == LoopConfig(steps=5)
    with pytest.raises(ValueError, match="at least one batch of 4 pictures, got 3"):
        with_steps(config, 3)


def test_gradients_are_clipped_to_the_given_length() -> None:
    config = LoopConfig(batch_size=4, clip_norm=0.01)
    task = PlainTask(config)
    weights = list(task.networks["network"].parameters())
    before = [weight.detach().clone() for weight in weights]
    task.step(0, seeded("step", 0, 0))
    length = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]).norm().item()
    assert length == pytest.approx(0.01, rel=1e-3)
    moved = torch.cat([(w.detach() - b).flatten() for w, b in zip(weights, before, strict=True)]).norm().item()
    assert moved == pytest.approx(0.01 * 0.05 * 1.9, rel=1e-3)  # lr 0.05; Nesterov's first step is 1 + momentum


def test_gradients_add_up_over_micro_batches() -> None:
    joint, parts = PlainTask(LoopConfig()), PlainTask(LoopConfig())
    for task, size in ((joint, 8), (parts, 2)):
        network = task.networks["network"]
        for x in task.pictures[:8].split(size):
            task.backward(network(x).square().sum() / 8)
        task.update()
    for a, b in zip(joint.networks["network"].parameters(), parts.networks["network"].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)


def test_only_the_named_optimiser_steps() -> None:
    task = PlainTask(LoopConfig())
    first, *_ = rest = list(task.networks["network"].parameters())
    task.optimizers = {name: torch.optim.SGD([w], 0.1) for name, w in zip("abcd", rest, strict=True)}
    before = [w.detach().clone() for w in rest]
    task.backward(task.networks["network"](task.pictures).square().mean())
    task.update("a")
    assert not torch.equal(first, before[0])
    assert all(torch.equal(w, b) for w, b in zip(rest[1:], before[1:], strict=True))


def float16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU without bfloat16."""
    monkeypatch.setattr(task_module, "half_precision", lambda device: torch.float16)


def test_float16_scales_the_loss_and_skips_a_step_that_overflowed(monkeypatch: pytest.MonkeyPatch) -> None:
    float16(monkeypatch)
    task = TinyTask(amp=True)
    weight = task.networks["network"].get_parameter("0.weight")
    scale = task.scaler.get_scale()
    assert scale > 1
    task.backward(weight.sum())
    assert torch.equal(weight.grad, torch.full_like(weight, scale))
    task.update()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    before = weight.detach().clone()
    weight.grad = None
    task.backward(weight.sum() * float("inf"))
    task.update()
    assert torch.equal(weight, before)
    assert task.scaler.get_scale() == scale / 2


def test_without_float16_the_loss_is_not_scaled() -> None:
    task = TinyTask(amp=True)
    task.backward(task.networks["network"].get_parameter("0.weight").sum())
    assert not task.scaler.is_enabled()
    assert torch.equal(task.networks["network"].get_parameter("0.weight").grad, torch.ones(4, 3))


def test_a_resumed_run_goes_on_with_its_loss_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    float16(monkeypatch)
    task = TinyTask(stop_at=1, amp=True)
    trainer = Trainer(task, SHORT, tmp_path)
    task.scaler.load_state_dict(task.scaler.state_dict() | {"scale": 128.0})
    trainer.run()
    assert Trainer(TinyTask(amp=True), SHORT, tmp_path, resume=True).task.scaler.get_scale() == 128.0


def test_previews_are_drawn_when_due_and_do_not_disturb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def preview(self: TinyTask, network: torch.nn.Module, path: Path) -> None:
        torch.rand(3)
        path.with_suffix(".txt").write_text("seen")

    Trainer(TinyTask(SHORT), SHORT, tmp_path / "without").run()
    monkeypatch.setattr(TinyTask, "preview", preview)
    config = replace(SHORT, preview_every=2)
    Trainer(TinyTask(config), config, tmp_path / "with").run()
    assert sorted(p.name for p in tmp_path.glob("with/preview*")) == ["preview_0000002.txt", "preview_0000003.txt"]
    assert same_run(load(tmp_path / "without" / LAST), load(tmp_path / "with" / LAST))
    assert load(tmp_path / "with" / PREVIOUS)["step"] == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_resume_is_exact_on_a_gpu(tmp_path: Path) -> None:
    def on_gpu(stop_at: int | None = None) -> TinyTask:
        task = TinyTask(stop_at=stop_at)
        task.device = torch.device("cuda")
        task.networks["network"].to(task.device)
        randn = torch.randn
        step = task.step

        def moved(number: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(torch, "randn", lambda *size, generator: randn(*size, generator=generator).cuda())
                return step(number, generator)

        task.step = moved  # type: ignore[method-assign, assignment]  # for the test
        return task

    config = replace(CONFIG, evaluate_every=0)
    Trainer(on_gpu(), config, tmp_path / "whole").run()
    Trainer(on_gpu(stop_at=3), config, tmp_path / "parts").run()
    Trainer(on_gpu(), config, tmp_path / "parts", resume=True).run()
    assert same_run(load(tmp_path / "whole" / LAST), load(tmp_path / "parts" / LAST))


def test_every_picture_is_seen_once_an_epoch() -> None:
    first = torch.cat([epoch_indices(step, 4, 12, seed=1) for step in range(3)])
    second = torch.cat([epoch_indices(step, 4, 12, seed=1) for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_fewer_pictures_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one batch of 4"):
        epoch_indices(0, 4, 3, seed=0)


def test_steps_draw_differently_and_repeatably() -> None:
    keys = [(purpose, seed, step) for purpose in ("step", "epoch") for seed in (0, 1) for step in (0, 1)]
    assert len({torch.rand(1, generator=seeded(*key)).item() for key in keys}) == len(keys)
    draw = torch.rand(3, generator=seeded("step", 5, 7))
    assert torch.equal(draw, torch.rand(3, generator=seeded("step", 5, 7)))


def test_the_comparison_of_checkpoints_sees_one_changed_bit(whole: Path) -> None:
    state, other = load(whole / LAST), load(whole / LAST)
    assert same_run(state, other)
    next(iter(other["ema"].values())).view(torch.int32)[0] ^= 1
    assert not same_run(state, other)
    assert not equal({"a": 1}, {"b": 1})
