"""The super-resolution networks as ONNX graphs, built node by node from their tensors, and run by ONNX Runtime.

No exporter: the networks are short, and a graph without padding, with height and width left open, is what tiles that
carry their halo need. On the CPU ONNX Runtime takes two thirds of torch's time for 9-5-5 and a little less than torch's
for `FastSRCNN` (`python -m bench.upscale`; the README has a table), so it is the engine there for both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cvdemo.nets.fast_srcnn import LEAK, FastSRCNN
from cvdemo.nets.srcnn import SRCNN

OPSET, IR_VERSION = 17, 8  # of 2022: every ONNX Runtime since 1.12 reads them
INPUT, OUTPUT = "luminance", "result"
BAND_PX = 512 * 512  # of input in one run: 9-5-5 holds 100 MB for it, and ONNX Runtime keeps what it once held

Engine = Callable[[Tensor], Tensor]  # (1, 1, H + 2 halo, W + 2 halo) -> (1, 1, H, W), or times the scale


class _Graph:
    """Nodes and tensors as they are added; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def tensor(self, values: Tensor) -> str:
        name = f"tensor{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(values.detach().cpu().contiguous().numpy(), name))
        return name

    def conv(self, x: str, conv: nn.Module, output: str | None = None) -> str:
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        return self.node("Conv", [x, self.tensor(conv.weight), self.tensor(conv.bias)], output)

    def leaky_relu(self, x: str) -> str:
        return self.node("LeakyRelu", [x], alpha=LEAK)

    def crop(self, x: str, margin_px: int) -> str:
        ends = [torch.tensor([value, value]) for value in (margin_px, -margin_px)]
        return self.node("Slice", [x, *(self.tensor(end) for end in ends), self.tensor(torch.tensor([2, 3]))])

    def model(self) -> onnx.ModelProto:
        """The checked model, from `INPUT` to `OUTPUT`, with any height and width."""
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, height, width])
            for name, height, width in ((INPUT, "height", "width"), (OUTPUT, "result_height", "result_width"))
        ]
        graph = helper.make_graph(self.nodes, "upscale", ends[:1], ends[1:], self.tensors)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="cvdemo")
        onnx.checker.check_model(model, full_check=True)
        return model


def srcnn_model(network: SRCNN) -> onnx.ModelProto:
    """`network.restore_inner` as a graph: convolutions without padding, ReLU between them."""
    graph, x = _Graph(), INPUT
    *hidden, last = network.convs
    for conv in hidden:
        x = graph.node("Relu", [graph.conv(x, conv)])
    graph.conv(x, last, OUTPUT)
    return graph.model()


def fast_srcnn_model(network: FastSRCNN) -> onnx.ModelProto:
    """`network.detail_inner` as a graph; torch's pixel shuffle is `DepthToSpace` in CRD order."""
    graph = _Graph()
    features = graph.leaky_relu(graph.conv(INPUT, network.first))
    x = features
    for conv in network.hidden:
        x = graph.leaky_relu(graph.conv(x, conv))
    margin_px = network.halo_px - network.first.kernel_size[0] // 2 - network.last.kernel_size[0] // 2
    total = graph.node("Add", [x, graph.crop(features, margin_px)])
    graph.node("DepthToSpace", [graph.conv(total, network.last)], OUTPUT, blocksize=network.scale, mode="CRD")
    return graph.model()


def onnx_model(network: SRCNN | FastSRCNN) -> onnx.ModelProto:
    """The graph of either network, checked."""
    return srcnn_model(network) if isinstance(network, SRCNN) else fast_srcnn_model(network)


def onnx_engine(network: SRCNN | FastSRCNN) -> Engine:
    """The network on the CPU by ONNX Runtime, as a function of tensors that many threads may call.

    It takes torch's number of threads; they sleep between runs. Equal to the torch network within 1e-4.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = onnx_model(network).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(band: Tensor) -> Tensor:
        pixels: np.ndarray = np.ascontiguousarray(band.numpy(), dtype=np.float32)
        (result,) = session.run([OUTPUT], {INPUT: pixels})
        return torch.from_numpy(result)

    return lambda x: torch.cat([run(band) for band in bands(x, network.halo_px)], dim=2)


def bands(x: Tensor, halo_px: int) -> list[Tensor]:
    """Horizontal parts of (B, 1, H, W), each with `halo_px` rows of its neighbours: of `BAND_PX`, or one row more."""
    height, width = x.shape[-2:]
    rows = max(1, BAND_PX // width - 2 * halo_px)
    return [x[..., top : top + rows + 2 * halo_px, :] for top in range(0, height - 2 * halo_px, rows)]
