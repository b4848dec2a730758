"""cvdemo: six classic demos of deep learning for computer vision, as a library.

Pictures go in and come out as `uint8` HWC RGB arrays; inside they are float BCHW tensors in [0, 1].
Each demo is one module with a frozen config dataclass and the functions that do the work:
`classify`, `detect`, `deepdream`, `style`, `dcgan` and `srcnn`.
"""

import os

# Threads that wait for one another sleep instead of spinning: on two shared cores with other work beside it, a step of
# style transfer took 2.5 s spinning and 0.11 s asleep. OpenMP reads this once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
