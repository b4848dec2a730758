"""Explanations: known gradients, Grad-CAM maps, ensembles; and the shipped network on a cheetah."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvdemo.classify import explain as explain_module
from cvdemo.classify.classifier import Classifier, Member, load_classifier
from cvdemo.classify.explain import (
    METHODS,
    ExplainConfig,
    GradCam,
    crop_of,
    explain_steps,
    pixel_gradient,
    saliency_of,
    smooth_gradient_steps,
)
from cvdemo.images import ImageArray, Preprocessing
from cvdemo.nets.fast_resnet import FastResNet
from cvdemo.ops.heatmap import HeatMap
from cvdemo.runtime import Deadline, stopping_when
from tests.helpers.whole_results import classify, explain

STD = (0.5, 0.25, 0.2)


class Linear(nn.Module):
    """Three classes, each a weighted sum of all pixels; its maps are the pixels themselves."""

    def __init__(self, side_px: int, channels: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, channels, side_px, side_px), requires_grad=False)

    def maps(self, pixels: Tensor) -> Tensor:
        return pixels

    def logits(self, maps: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", maps, self.weight)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))


def classifier_of(*networks: nn.Module, labels: str = "abc") -> Classifier:
    preprocessing = Preprocessing(input_px=8, resize_px=8, mean=(0.5,) * 3, std=STD)
    members = tuple(Member(n, preprocessing) for n in networks)  # type: ignore[arg-type]  # stand-ins of networks
    return Classifier(members, list(labels), torch.device("cpu"))


def grad_cam(crop: Tensor, classifier: Classifier, class_index: int) -> HeatMap:
    return GradCam(crop, classifier).heat_map(class_index)


def smooth_gradient(crop: Tensor, classifier: Classifier, class_index: int, config: ExplainConfig) -> Tensor:
    *_, (_, gradient) = smooth_gradient_steps(crop, classifier, class_index, config)
    return gradient


def saliency(crop: Tensor, classifier: Classifier, class_index: int, config: ExplainConfig) -> HeatMap:
    return saliency_of(smooth_gradient(crop, classifier, class_index, config))


@pytest.fixture
def linear() -> Linear:
    return Linear(8)


def small_resnet(seed: int) -> FastResNet:
    torch.manual_seed(seed)
    network = FastResNet(3, (8, 12, 12), 2)
    nn.init.normal_(network.classifier.weight)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def deep() -> Classifier:
    preprocessing = Preprocessing(input_px=32, resize_px=32, mean=(0.5,) * 3, std=STD)
    return Classifier((Member(small_resnet(0), preprocessing),), list("abc"), torch.device("cpu"))


def test_the_gradient_of_a_linear_network_is_its_weights(linear: Linear) -> None:
    expected = linear.weight[1] / torch.tensor(STD).view(3, 1, 1)
    crops = torch.rand(2, 3, 8, 8)
    gradient = pixel_gradient(crops, classifier_of(linear), 1)
    assert torch.allclose(gradient, expected.expand(2, -1, -1, -1), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 3, 11])
def test_noise_changes_nothing_where_the_network_is_linear(linear: Linear, samples: int) -> None:
    expected = (linear.weight[2] / torch.tensor(STD).view(3, 1, 1)).abs().amax(dim=0).numpy()
    heat = saliency(torch.rand(1, 3, 8, 8), classifier_of(linear), 2, ExplainConfig(samples=samples))
    cap = np.percentile(expected, 99.5)
    np.testing.assert_allclose(heat, np.clip(expected / cap, 0, 1), atol=1e-4)


def test_an_ensemble_is_explained_by_the_mean_of_its_members() -> None:
    one, two = Linear(8), Linear(8)
    crop = torch.rand(1, 3, 8, 8)
    alone = [pixel_gradient(crop, classifier_of(network), 0) for network in (one, two)]
    assert torch.allclose(pixel_gradient(crop, classifier_of(one, two), 0), (alone[0] + alone[1]) / 2, atol=1e-5)
    same = grad_cam(crop, classifier_of(one, one), 0)
    np.testing.assert_allclose(same, grad_cam(crop, classifier_of(one), 0), atol=1e-6)


def test_saliency_ends_with_its_visitor(deep: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch of noisy copies is enough to see that nobody waits."""
    batches: list[int] = []

    def counted(crops: Tensor, *others: Any) -> Tensor:
        batches.append(len(crops))
        return torch.zeros_like(crops)

    monkeypatch.setattr(explain_module, "pixel_gradient", counted)
    crop = torch.rand(1, 3, 32, 32)
    with stopping_when(lambda: True):
        config = ExplainConfig(method="saliency", samples=64)
        (step,) = explain_steps(crop, deep, config, 0, Deadline(60))
    assert batches == [8]
    assert step.result is not None and not step.complete and (step.done, step.total) == (8, 64)


def test_saliency_comes_step_by_step_and_a_time_limit_keeps_the_mean_so_far(deep: Classifier) -> None:
    crop, config = torch.rand(1, 3, 32, 32), ExplainConfig(method="saliency", samples=20)
    steps = list(explain_steps(crop, deep, config, 0))
    assert [(step.done, step.total, step.result is None) for step in steps] == [
        (8, 20, True), (16, 20, True), (20, 20, False),
    ]  # fmt: skip
    assert steps[-1].complete and steps[0].partial is not None
    (cut,) = explain_steps(crop, deep, config, 0, Deadline(0))
    assert cut.result is not None and not cut.complete
    np.testing.assert_array_equal(cut.result.heat, steps[0].partial.heat)
    assert not np.array_equal(cut.result.heat, steps[-1].result.heat)  # type: ignore[union-attr]  # the last has one


@pytest.mark.parametrize("method", METHODS)
def test_without_a_class_the_best_is_explained(deep: Classifier, noise: ImageArray, method: str) -> None:
    best = classify(noise, deep).classes[0]
    config = ExplainConfig(method=method, samples=1)
    explanation = explain(noise, deep, None, config)
    assert explanation.class_index == best
    np.testing.assert_array_equal(explanation.heat, explain(noise, deep, best, config).heat)


def test_the_pass_of_grad_cam_classifies_as_the_network_does(deep: Classifier, noise: ImageArray) -> None:
    crop = crop_of(noise, deep)
    assert torch.allclose(GradCam(crop, deep).probabilities(), deep.probabilities(crop)[0])


def test_saliency_is_the_same_twice_and_another_with_another_seed(deep: Classifier) -> None:
    crop = torch.rand(1, 3, 32, 32)
    maps = [smooth_gradient(crop, deep, 0, ExplainConfig(seed=seed, samples=4)) for seed in (1, 1, 2)]
    assert torch.equal(maps[0], maps[1]) and not torch.equal(maps[0], maps[2])


def test_grad_cam_of_known_maps(linear: Linear) -> None:
    """The maps are the pixels: each channel counts by the mean of its weights."""
    crop = torch.rand(1, 3, 8, 8)
    normalised = (crop - 0.5) / torch.tensor(STD).view(1, 3, 1, 1)
    weighted = (normalised * linear.weight[0].mean(dim=(1, 2)).view(1, 3, 1, 1)).sum(dim=1)[0].relu()
    np.testing.assert_allclose(grad_cam(crop, classifier_of(linear), 0), weighted / weighted.max(), atol=1e-5)


def test_grad_cam_maps_lie_in_zero_to_one_and_differ_by_class(deep: Classifier, noise: ImageArray) -> None:
    crop = crop_of(noise, deep)
    first, second = (grad_cam(crop, deep, class_index) for class_index in (0, 1))
    assert first.shape == (32, 32) and first.min() >= 0 and first.max() <= 1 and second.max() <= 1
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("method", METHODS)
def test_an_explanation_is_a_picture_and_leaves_the_input_alone(
    deep: Classifier, noise: ImageArray, method: str
) -> None:
    before = noise.copy()
    explanation = explain(noise, deep, 0, ExplainConfig(method=method, samples=2))
    assert np.array_equal(noise, before)
    assert explanation.crop.shape == (32, 32, 3) and explanation.heat.shape == (32, 32)
    assert explanation.picture().shape == (320, 320, 3) and explanation.picture().dtype == np.uint8


def test_a_flat_map_stays_flat() -> None:
    blind = Linear(8)
    nn.init.zeros_(blind.weight)
    crop = torch.rand(1, 3, 8, 8)
    assert grad_cam(crop, classifier_of(blind), 0).max() == 0
    assert saliency(crop, classifier_of(blind), 0, ExplainConfig(samples=1)).max() == 0


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="method must be one of"):
        ExplainConfig(method="guess")


def test_the_network_looks_at_the_cheetah(cheetah: ImageArray) -> None:
    """The animal fills the middle of the crop; the blurred ground above and below it should stay cold."""
    classifier = load_classifier()
    best = classify(cheetah, classifier).classes[0]
    crop = crop_of(cheetah, classifier)
    heats = [grad_cam(crop, classifier, best), saliency(crop, classifier, best, ExplainConfig(samples=4))]
    for heat, times in zip(heats, (3, 1.5), strict=True):
        assert heat[80:190].mean() > times * np.concatenate([heat[:40], heat[-20:]]).mean()
