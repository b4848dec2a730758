"""Ready-made settings for style transfer."""

from cvdemo.style.optimise import StyleConfig

PRESETS = {
    "Balanced": StyleConfig(),
    "Bold strokes": StyleConfig(content_weight=1, style_weight=20, style_scale=1.4),
    "Gentle": StyleConfig(content_weight=6),
    "Fine brush": StyleConfig(style_scale=0.6, tv_weight=20),
    "Own colours": StyleConfig(keep_colours="statistics"),
    "Texture only": StyleConfig(content_weight=0, start="noise"),
}
