"""Ready-made settings for dreams."""

from cvdemo.dream.deepdream import DreamConfig

PRESETS = {  # named for what they were seen to draw, on faces, animals and night skies alike
    "Dogs and fur": DreamConfig(),
    "Eyes": DreamConfig(layer="block8"),
    "Fruit market": DreamConfig(layer="block11"),
    "Engraving": DreamConfig(layer="block4", octaves=3, steps=10, step_size=2.0, laplacian_bands=2),
    "Neon maze": DreamConfig(layer="block2", octaves=5, steps=10, step_size=2.5, laplacian_bands=3),
    "Balloons": DreamConfig(layer="block9", channel=3, steps=10),
    "Spider webs": DreamConfig(layer="block9", channel=41, steps=10),
    "Tartan": DreamConfig(layer="block9", channel=53, steps=10),
    "Woollen braids": DreamConfig(layer="block9", channel=56, steps=10),
    "Carved pillars": DreamConfig(layer="block9", channel=18, steps=10),
}
DEFAULT_PRESET = "Dogs and fur"
