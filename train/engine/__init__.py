"""The training loop and what it needs: devices, processes, optimisers, checkpoints, curves."""
