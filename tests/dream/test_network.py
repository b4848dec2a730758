"""The network of dreams: bfloat16 where the processor has it, and then almost the same gradient."""

import pytest
import torch

from cvdemo.dream import network
from cvdemo.dream.network import HalfBackbone, has_bfloat16, load_dream_network
from cvdemo.dream.objectives import ClassLogit, DreamNetwork, LayerStrength, Scene, measure
from cvdemo.images import ImageArray, to_tensor
from cvdemo.nets.backbone import Backbone, load_backbone


def gradient(pixels: torch.Tensor, dreamer: DreamNetwork) -> torch.Tensor:
    seen = pixels.clone().requires_grad_()
    goal = (LayerStrength("block8") + ClassLogit("peacock")).bound(Scene(dreamer, pixels))
    (found,) = torch.autograd.grad(measure(seen, dreamer, goal), seen)
    return found


def test_in_bfloat16_the_gradient_has_almost_the_same_direction(chelsea: ImageArray) -> None:
    pixels = to_tensor(chelsea[:96, 100:228])
    half = HalfBackbone.of(load_backbone("cpu"))
    exact, near = gradient(pixels, load_backbone("cpu")), gradient(pixels, half)
    assert near.dtype == torch.float32
    assert float(torch.cosine_similarity(exact.flatten(), near.flatten(), dim=0)) > 0.85  # 0.90: its last digits differ


@pytest.mark.parametrize(("able", "kind"), [(True, HalfBackbone), (False, Backbone)])
def test_the_processor_alone_decides(able: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    assert has_bfloat16(torch.device("cpu")) is able and not has_bfloat16(torch.device("meta"))
    network._load_dream_network.cache.clear()  # type: ignore[attr-defined]  # of `load_once`
    loaded = load_dream_network("cpu")
    network._load_dream_network.cache.clear()  # type: ignore[attr-defined]  # what was made up goes with the test
    assert isinstance(loaded, kind) and loaded.device == torch.device("cpu")


def test_it_is_loaded_once() -> None:
    assert load_dream_network("cpu") is load_dream_network("cpu")
