"""Networks that only run forward: ONNX Runtime runs them on the CPU, PyTorch elsewhere.

Results are equal within 1e-4 (tests on every shipped weight). A session is made when a network is first used, in less
than a tenth of a second, and shared by all threads. Its threads sleep while there is nothing to do: two jobs at once
may use one session of two threads, and none waits in a loop for a thread that the machine does not run. Measured with
EfficientNet-Lite0 at 224 px, two cores with much else running, medians of twelve interleaved rounds of 15 pictures:

| session | one job: ms, ms of CPU | two jobs at once: ms a pair, ms of CPU |
|---|---|---|
| one thread | 36, 6.8 | 68, 9.8 |
| two threads that sleep | 30, 5.1 | 40, 10.3 |
| two threads that spin, ONNX Runtime's default | 55, 10.2 | 107, 16.0 |

So there is one session a network, with the threads that the process has, however many jobs run. `bench.forward` times
an answer of it against ONNX Runtime called without this project, which took 9 ms, 14 ms beside one busy process of our
own (two threads, load 13, five rounds): 0.65 and 0.94 times as long. ONNX Runtime's default, threads that spin, took
3.3 and 5.6 times as long. With one thread, in six rounds of another run, it was 1.07 and 1.41 times; PyTorch took 5.5
and 3.6 times as long. In CPU time it was 0.73 to 1.08 times the peer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from cvdemo.nets.onnx_graph import INPUT, OUTPUT, OnnxModel
from cvdemo.nets.onnx_trace import PICTURES, onnx_model
from cvdemo.runtime import PROCESS_THREADS

Engine = Callable[[Tensor], Tensor]  # float32 on the network's device -> the result there, without gradients


def forward_engine(
    network: nn.Module,
    method: str = "forward",
    *,
    device: torch.device | str = "cpu",
    shape: Sequence[int | str] = PICTURES,
    threads: int | None = None,
) -> Engine:
    """One method of a network as a function: by ONNX Runtime on the CPU, by PyTorch on any other device.

    Args:
        network: on the device, in eval mode; its parameters must not change afterwards.
        method: takes a tensor and returns one.
        shape: of that tensor; names are open sizes.
        threads: of ONNX Runtime; None: as many as the process began with.

    Raises:
        ValueError: on the CPU, the network calls a function that `cvdemo.nets.onnx_trace` does not know; at first use.
    """
    if torch.device(device).type != "cpu":
        run = getattr(network, method)
        return torch.no_grad()(run)  # type: ignore[no-any-return]  # a method is untyped
    return OnnxEngine(lambda: onnx_model(network, method, shape), threads or PROCESS_THREADS)


class OnnxEngine:
    """A model in ONNX Runtime on the CPU, as a function of tensors that many threads may call.

    Args:
        make_model: called at first use.
        threads: that share the work of one operation.
    """

    def __init__(self, make_model: Callable[[], OnnxModel], threads: int) -> None:
        self.threads = threads
        self._make_model = make_model
        self._lock = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = None
        self._model: OnnxModel | None = None  # a session reads its tensors for as long as it lives
        self._run_options = onnxruntime.RunOptions()
        # Without this a session keeps the memory of its largest picture for good: 250 MB after one of a megapixel. It
        # costs a fast upscaling an eighth more CPU time, 9-5-5 a hundredth, and classification nothing that was seen.
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def __call__(self, x: Tensor) -> Tensor:
        values = np.ascontiguousarray(x.detach().numpy(), dtype=np.float32)
        (result,) = self.session.run([OUTPUT], {INPUT: values}, self._run_options)
        return torch.from_numpy(result)

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """ONNX Runtime's session, made once."""
        with self._lock:
            if self._session is None:
                self._model = self._make_model()
                self._session = make_session(self._model, self.threads)
            return self._session


def make_session(model: OnnxModel, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU that reads the model's tensors where they are; keep them for as long as it lives."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # plans for each new size of picture cost memory and save no time
    if model.tensors:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in model.tensors.values()]
        options.add_external_initializers(list(model.tensors), values)
    graph = model.graph.SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
