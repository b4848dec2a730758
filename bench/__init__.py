"""This project beside its peers, on the same input, in one run: `python -m bench.NAME`."""

import cvdemo as cvdemo  # first of all: it keeps ONNX Runtime, which some modules here import, from reporting home
