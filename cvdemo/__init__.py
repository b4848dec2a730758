"""cvdemo: six classic demos of deep learning for computer vision, as a library.

Pictures go in and come out as `uint8` HWC RGB arrays; inside they are float BCHW tensors in [0, 1].
Each demo is one package: `classify`, `detect`, `dream`, `style`, `sample` and `upscale`. Its `run.py` has its requests,
which `cvdemo.demos.run` answers.

ONNX Runtime 1.29 and later report to a host of its maker's unless this variable stands in the environment before the
first import, so it is set here, where every module of the package passes.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
