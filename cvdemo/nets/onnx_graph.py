"""ONNX graphs, node by node, from PyTorch tensors, with each BatchNorm folded into the layer before it.

The weights stay where they are: a graph names them, and ONNX Runtime is handed the very memory that PyTorch holds. With
the weights inside, EfficientNet-Lite0 took 108 MB while it was built and checked; so it takes 1 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

OPSET, IR_VERSION = 17, 8  # of 2022: every ONNX Runtime since 1.12 reads them
INPUT, OUTPUT = "input", "output"
INSIDE_BYTES = 1024  # smaller tensors stand in the graph itself: bounds of crops and the like have to
OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}  # of the weight, by layer: what a BatchNorm after it scales

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class OnnxModel:
    """A graph from `INPUT` to `OUTPUT`, and by name the tensors that it leaves outside."""

    graph: onnx.ModelProto
    tensors: dict[str, AnyArray]

    def complete(self) -> onnx.ModelProto:
        """The model with all tensors inside, as a file has it, checked."""
        model = onnx.ModelProto()
        model.CopyFrom(self.graph)
        for tensor in model.graph.initializer:
            if tensor.name in self.tensors:
                tensor.CopyFrom(numpy_helper.from_array(self.tensors[tensor.name], tensor.name))
        onnx.checker.check_model(model, full_check=True)
        return model


@dataclass
class Node:
    """A node to be; an input is the name of another's output, or a tensor."""

    kind: str
    inputs: list[str | Tensor]
    output: str
    attributes: dict[str, Any]

    @property
    def takes_a_norm(self) -> bool:
        """Whether a BatchNorm can be folded into it; of transposed convolutions only those of one group can."""
        return self.kind in OUTPUT_AXIS and (self.kind != "ConvTranspose" or self.attributes.get("group", 1) == 1)


class Graph:
    """Nodes in the order in which they run; the graph starts at `INPUT`."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, kind: str, inputs: Sequence[str | Tensor], **attributes: Any) -> str:
        """Adds a node of ONNX's kind; returns the name of its output."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(Node(kind, list(inputs), name, attributes))
        return name

    def fold_batch_norms(self) -> None:
        """Folds each BatchNorm into the layer whose output it alone reads; others stay."""
        makers = {node.output: node for node in self.nodes}
        readers = [value for node in self.nodes for value in node.inputs if isinstance(value, str)]
        for norm in [node for node in self.nodes if node.kind == "BatchNormalization"]:
            before = norm.inputs[0]
            assert isinstance(before, str)
            layer = makers.get(before)
            if layer is not None and layer.takes_a_norm and readers.count(before) == 1:
                _fold(layer, norm)
                makers[layer.output] = layer
                self.nodes.remove(norm)

    def model(self, shape: Sequence[int | str], result: str, rank: int) -> OnnxModel:
        """The model.

        Args:
            shape: of the input; names are open sizes.
            result, rank: name and number of dimensions of what becomes `OUTPUT`.
        """
        tensors: list[onnx.TensorProto] = []
        outside: dict[str, AnyArray] = {}
        nodes = [_written(node, result, tensors, outside) for node in self.nodes]
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
            for name, sizes in ((INPUT, list(shape)), (OUTPUT, [f"size{axis}" for axis in range(rank)]))
        ]
        graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="cvdemo")
        return OnnxModel(model, outside)


def _fold(layer: Node, norm: Node) -> None:
    """The layer takes the norm's place: w' = w s, b' = (b - mean) s + shift, where s = scale / deviation."""
    weight, *biases = (value for value in layer.inputs[1:] if isinstance(value, Tensor))
    scale, shift, mean, variance = (value.double() for value in norm.inputs[1:] if isinstance(value, Tensor))
    factor = scale / (variance + norm.attributes["epsilon"]).sqrt()
    bias = biases[0] if biases else torch.zeros_like(mean)
    sides = [1] * weight.ndim
    sides[OUTPUT_AXIS[layer.kind]] = -1
    layer.inputs[1:] = [weight * factor.float().view(sides), ((bias - mean) * factor + shift).float()]
    layer.output = norm.output


def _written(node: Node, result: str, tensors: list[onnx.TensorProto], outside: dict[str, AnyArray]) -> onnx.NodeProto:
    """The node as ONNX has it; its tensors are added to `tensors`, and the values of large ones to `outside`."""
    names = []
    for value in node.inputs:
        if isinstance(value, Tensor):
            array = value.detach().cpu().contiguous().numpy()
            name = f"tensor{len(tensors)}"
            if array.nbytes >= INSIDE_BYTES:
                outside[name] = array
                tensors.append(_placeholder(name, array))
            else:
                tensors.append(numpy_helper.from_array(array, name))
            value = name
        names.append(value)
    output = OUTPUT if node.output == result else node.output
    return helper.make_node(node.kind, names, [output], **node.attributes)


def _placeholder(name: str, array: AnyArray) -> onnx.TensorProto:
    """A tensor whose values are handed over beside the graph."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(array.dtype))
    tensor = TensorProto(name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="memory")
    return tensor
