"""SOAP: it goes where Adam cannot, its state is saved and loaded, and settings are checked."""

from collections.abc import Callable

import pytest
import torch

from train.engine.soap import Soap


def correlated_loss(optimizer_of: Callable[..., torch.optim.Optimizer], lr: float, steps: int = 300) -> float:
    """Loss of a linear fit whose inputs go together, as neighbouring pixels do, after some steps."""
    random = torch.Generator().manual_seed(0)
    mixing = torch.full((12, 12), 1.0) + 0.05 * torch.randn(12, 12, generator=random)
    inputs = torch.randn(400, 12, generator=random) @ mixing
    wanted = torch.randn(5, 12, generator=random)
    weight = torch.zeros(5, 12, requires_grad=True)
    optimizer = optimizer_of([weight], lr=lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        loss = (inputs @ (weight - wanted).T).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return loss.item()


def test_it_fits_what_goes_together_better_than_adam() -> None:
    adam = min(correlated_loss(torch.optim.Adam, lr) for lr in (0.003, 0.01, 0.03, 0.1))
    assert correlated_loss(Soap, 0.03) < 0.2 * adam


@pytest.mark.parametrize("shape", [(7,), (1,), (4, 6), (3, 1), (8, 3, 5, 5), (1, 6, 3, 3), (1, 1, 1, 1)])
def test_every_shape_learns(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight, wanted = torch.zeros(shape, requires_grad=True), torch.randn(shape)
    optimizer = Soap([weight], lr=0.05)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 200)
        optimizer.zero_grad()
        torch.autograd.backward((weight - wanted).square().sum())
        optimizer.step()
    assert (weight.detach() - wanted).square().mean() < 0.01


def test_the_first_step_only_looks() -> None:
    weight = torch.ones(3, 4, requires_grad=True)
    optimizer = Soap([weight], lr=1.0)
    weight.grad = torch.randn(3, 4)
    optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(3, 4))


def test_saved_and_loaded_it_goes_on_bit_for_bit() -> None:
    grads = torch.randn(24, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))

    def run(weight: torch.Tensor, optimizer: Soap, which: torch.Tensor) -> None:
        for grad in which:
            weight.grad = grad.clone()
            optimizer.step()

    whole, first, second = (torch.ones(4, 3, 5, 5, requires_grad=True) for _ in range(3))
    run(whole, Soap([whole]), grads)
    before = Soap([first])
    run(first, before, grads[:11])
    with torch.no_grad():
        second.copy_(first)
    after = Soap([second])
    after.load_state_dict(before.state_dict())
    run(second, after, grads[11:])
    assert torch.equal(whole, second)


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"betas": (0.9, 1.0)}, {"every": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"need lr >= 0, betas in \[0, 1\) and every >= 1"):
        Soap([torch.zeros(2, requires_grad=True)], **wrong)
