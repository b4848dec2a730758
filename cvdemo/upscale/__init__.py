"""Upscaling: the networks to choose from, and a picture enlarged by one of them, tile by tile."""
