"""What figures were measured on: the name of the CPU and the versions of the software."""

from __future__ import annotations

import platform
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

CPU_INFO = Path("/proc/cpuinfo")  # of Linux


def cpu_name(cpu_info: Path = CPU_INFO) -> str:
    """As the system tells it; the kind of processor where there is no name."""
    lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines() if cpu_info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, [*names, platform.processor(), platform.machine()]), "CPU without a name")


def versions() -> dict[str, str]:
    """Of Python and of the libraries that do the work."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
