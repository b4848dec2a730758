"""cvdemo: six classic demos of deep learning for computer vision, as a library.

Pictures go in and come out as `uint8` HWC RGB arrays; inside they are float BCHW tensors in [0, 1].
Each demo is one module with a frozen config dataclass and the functions that do the work:
`classify`, `detect`, `deepdream`, `style`, `dcgan` and `srcnn`.

Two variables have to stand in the environment before other packages are imported, so they are set here, where every
module of the package passes. What the environment says already stays.

- ORT_DISABLE_TELEMETRY: ONNX Runtime 1.29 and later report to a host of its maker's without it.
- GOMP_SPINCOUNT: how often a thread of OpenMP's looks again for its next work before it sleeps, usually 300,000 times.
  On free cores 1,000 make a style step of two threads half as long again (57 ms for 38), beside other work 300,000 make
  it 2 to 70 times as long; `bench/threads.py` measures both.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
