"""cvdemo: six classic demos of deep learning for computer vision, as a library.

Pictures go in and come out as `uint8` HWC RGB arrays; inside they are float BCHW tensors in [0, 1].
Each demo is one module with a frozen config dataclass and the functions that do the work:
`classify`, `detect`, `deepdream`, `style`, `dcgan` and `srcnn`.
"""

__version__ = "0.1.0"
