"""DeepDream: gradient ascent on a picture."""
