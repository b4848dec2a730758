"""This project beside its peers, on the same input, in one run: `python -m bench.NAME`."""
