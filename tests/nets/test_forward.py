"""Networks that only run forward: ONNX Runtime equals PyTorch on every shipped weight; how sessions are made."""

import resource
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from cvdemo.classify.classifier import load_network
from cvdemo.nets.backbone import BACKBONE, load_backbone, load_trunk
from cvdemo.nets.build import build_network
from cvdemo.nets.dcgan import Generator
from cvdemo.nets.forward import OnnxEngine, forward_engine, make_session
from cvdemo.nets.onnx_trace import onnx_model
from cvdemo.nets.window_net import lite_windows
from cvdemo.runtime import PROCESS_THREADS
from cvdemo.sample.generate import read_generator
from cvdemo.upscale.bands import LUMINANCE, inner_method
from cvdemo.upscale.network import make_network
from cvdemo.weights import load_manifest, load_state_dict
from tests.nets.test_classifiers import CASES

MANIFEST = load_manifest()
CLASSIFIERS = [name for name, entry in MANIFEST.items() if entry.task == "classify"]
GENERATORS = [name for name, entry in MANIFEST.items() if entry.network["name"] == "dcgan"]
PLACES = [name for name, entry in MANIFEST.items() if entry.task == "detect"]  # in tests/train/detect
UPSCALERS = [name for name, entry in MANIFEST.items() if "srcnn" in entry.network["name"]]


def assert_equal(network: nn.Module, method: str, shape: Sequence[int | str], x: Tensor) -> None:
    """Within 1e-4 of torch, whatever the size of the values."""
    wanted = getattr(network.eval().requires_grad_(False), method)(x)
    found = forward_engine(network, method, shape=shape)(x)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    assert wanted.std() > 1e-3  # a network of zeros would prove nothing


def test_no_shipped_weight_is_left_out() -> None:
    """That of the instant style runs in torch alone: each picture has a code of its own."""
    styles = {name for name, entry in MANIFEST.items() if entry.task == "style"}
    assert {*CLASSIFIERS, *GENERATORS, *PLACES, *UPSCALERS, *styles} == set(MANIFEST)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("batch", [1, 3])
def test_shipped_classifiers_equal_torch(name: str, batch: int) -> None:
    preprocessing = MANIFEST[name].preprocessing
    channels, side_px = len(preprocessing["mean"]), preprocessing["input_px"]
    shape = ("batch", channels, "height", "width")
    assert_equal(load_network(name), "forward", shape, torch.randn(batch, channels, side_px, side_px))


@pytest.mark.parametrize("size_hw", [(32, 32), (33, 47), (1, 1), (255, 130)])
def test_the_trunk_equals_torch_at_odd_sizes(size_hw: tuple[int, int]) -> None:
    pixels = torch.randn(2, 3, *size_hw)
    torch.testing.assert_close(load_trunk("cpu")(pixels), load_network(BACKBONE).maps(pixels), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("batch", [1, 16])
def test_shipped_generators_equal_torch(name: str, batch: int) -> None:
    generator = read_generator(name)
    dim = generator.latent_dim
    assert_equal(generator.layers, "forward", ("batch", dim, 1, 1), torch.randn(batch, dim, 1, 1))


@pytest.mark.parametrize("name", UPSCALERS)
@pytest.mark.parametrize("size_hw", [(24, 24), (61, 40)])
def test_shipped_upscalers_equal_torch(name: str, size_hw: tuple[int, int]) -> None:
    network = make_network(MANIFEST[name].network)
    network.load_state_dict(load_state_dict(name))
    assert_equal(network, inner_method(network), LUMINANCE, torch.rand(1, 1, *size_hw))


def randomised(network: nn.Module) -> nn.Module:
    """Statistics of every norm, scales and classifiers as training leaves them, not as they begin."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.3)  # type: ignore[arg-type]  # a tensor
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]  # a tensor
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
    return network


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("batch", [1, 2])
def test_every_kind_of_classifier_equals_torch(name: str, batch: int) -> None:
    """Those too that no shipped weight has."""
    arguments, (channels, side_px), _ = CASES[name]
    network = randomised(build_network({"name": name, "num_classes": 7, **arguments}))
    shape = ("batch", channels, "height", "width")
    assert_equal(network, "forward", shape, torch.randn(batch, channels, side_px, side_px))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_generators_equal_torch(channels: int) -> None:
    generator = randomised(Generator(latent_dim=6, width=4, channels=channels, size=16))
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.5)
    assert isinstance(generator, Generator)
    assert_equal(generator.layers, "forward", ("batch", 6, 1, 1), torch.randn(5, 6, 1, 1))


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[onnxruntime.SessionOptions]:
    """The options of every session that is made."""
    seen: list[onnxruntime.SessionOptions] = []
    session = onnxruntime.InferenceSession

    def watched(model: bytes, options: onnxruntime.SessionOptions, providers: list[str]) -> object:
        seen.append(options)
        assert providers == ["CPUExecutionProvider"]
        return session(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    return seen


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 20, 5)
        self.runs = 0
        self.eval().requires_grad_(False)

    def forward(self, x: Any) -> Any:
        self.runs += 1
        return self.conv(x)


@pytest.mark.parametrize(("threads", "expected"), [(3, 3), (None, PROCESS_THREADS)])
def test_threads_are_the_callers_and_sleep(
    sessions: list[onnxruntime.SessionOptions], threads: int | None, expected: int
) -> None:
    forward_engine(Small(), threads=threads)(torch.rand(1, 3, 9, 9))
    (options,) = sessions
    assert options.intra_op_num_threads == expected
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_many_threads_make_one_session_at_first_use(sessions: list[onnxruntime.SessionOptions]) -> None:
    network = Small()
    engine = forward_engine(network)
    assert not sessions and network.runs == 0
    pixels, results = torch.rand(1, 3, 30, 30), []
    wanted = network.conv(pixels)
    threads = [threading.Thread(target=lambda: results.append(engine(pixels))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions) == 1 and network.runs == 1 and len(results) == 8
    for result in results:
        torch.testing.assert_close(result, wanted, atol=1e-5, rtol=1e-5)


def test_elsewhere_than_on_the_cpu_torch_runs(sessions: list[onnxruntime.SessionOptions]) -> None:
    network = Small().to("meta").requires_grad_(True)
    result = forward_engine(network, device="meta")(torch.empty(2, 3, 9, 9, device="meta"))
    assert result.device.type == "meta" and result.shape == (2, 20, 5, 5)
    assert not result.requires_grad and not sessions


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_the_trunk_equals_that_on_the_cpu(sessions: list[onnxruntime.SessionOptions]) -> None:
    pixels = torch.randn(1, 3, 224, 224)
    on_gpu = load_trunk("cuda")(pixels.cuda())
    assert on_gpu.is_cuda and not sessions
    torch.testing.assert_close(on_gpu.cpu(), load_trunk("cpu")(pixels), atol=1e-2, rtol=1e-2)  # TF32


@pytest.mark.parametrize("layout", ["a view", "another type", "in inference mode", "with gradients"])
def test_any_tensor_of_the_right_shape_is_taken(layout: str) -> None:
    network = Small()
    pixels = torch.rand(1, 12, 12, 3).permute(0, 3, 1, 2)
    if layout == "another type":
        pixels = pixels.double()
    elif layout == "with gradients":
        pixels.requires_grad_()
    with torch.inference_mode(layout == "in inference mode"):
        result = forward_engine(network)(pixels)
        torch.testing.assert_close(result, network(pixels.detach().float()), atol=1e-5, rtol=1e-5)


def test_results_are_their_owners() -> None:
    """A later run leaves the result of an earlier one alone, though the session gives its memory back."""
    engine = forward_engine(Small())
    first = engine(torch.ones(1, 3, 200, 200))
    kept = first.clone()
    for value in range(4):
        engine(torch.full((1, 3, 200, 200), float(value)))
    assert torch.equal(first, kept)


def test_a_session_outlives_the_network_it_was_made_of() -> None:
    """Its tensors are those of the network, whose memory must not be given away."""
    generator = Generator(latent_dim=6, width=16, size=32).eval().requires_grad_(False)
    points = torch.randn(4, 6, 1, 1)
    wanted = generator.layers(points)
    engine = forward_engine(generator.layers, shape=("batch", 6, 1, 1))
    engine(points)
    del generator
    _ = [np.full(200_000, 7.0, np.float32) for _ in range(50)]
    torch.testing.assert_close(engine(points), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_picture_leaves_no_memory_behind() -> None:
    """Without shrinking, the session keeps what its largest run needed."""
    network = randomised(build_network({"name": "efficientnet_lite", "num_classes": 2})).eval().requires_grad_(False)
    engine = OnnxEngine(lambda: onnx_model(network, "maps"), 1)
    engine(torch.zeros(1, 3, 64, 64))
    before = resident_mb()
    engine(torch.zeros(1, 3, 700, 1000))
    assert resident_mb() - before < 60


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6


def test_the_backbone_is_one_for_all() -> None:
    assert load_backbone("cpu") is load_backbone(device="cpu")
    assert load_trunk("cpu") is load_trunk("cpu")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in load_backbone("cpu").network.modules())
    assert not any(parameter.requires_grad for parameter in load_backbone("cpu").network.parameters())


def test_a_damaged_model_is_an_error() -> None:
    model = onnx_model(Small())
    model.graph.graph.node[0].op_type = "Nothing"
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph):
        make_session(model, 1)


def test_scores_of_windows_equal_torch() -> None:
    network = load_backbone("cpu").network
    features = load_trunk("cpu")(torch.randn(1, 3, 250, 420))
    by_torch, ours = lite_windows(network, 224), lite_windows(network, 224, load_trunk("cpu"))
    wanted = by_torch.window_logits(features)
    assert by_torch.dense is None and ours.dense is not None and wanted.shape == (1000, 2, 8)
    torch.testing.assert_close(ours.window_logits(features), wanted, atol=1e-4, rtol=0)
