"""What programs are told of the endpoints: what each parameter means, its range and unit, and what comes back.

Gradio's own API page, `view_api`, MCP tools and `docs/reference/endpoints.md` all show these words. A parameter that is
a setting has those of its config; ranges are those of the field that checks the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from cvdemo.classify.adversarial import FoolConfig
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.feature_maps import FeatureMapsConfig
from cvdemo.config import Config, Setting, settings_of
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.zoom_film import ZoomFilmConfig
from cvdemo.example_pictures import example_head
from cvdemo.limits import CLASSIFY_PICTURES, DETECT_PICTURES, UPSCALE_PICTURES
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.optimise import StyleConfig
from cvdemo.upscale.upscale import UpscaleConfig

PICTURE = "A picture file, uploaded: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF."
CLASSES_BACK = "The five most probable classes, with probabilities from 0 to 1."
PICTURES = "Picture files, uploaded, of the formats that a single one may have; at most {}."
REFUSED = "which ones cannot be used and why, and how many were not reached in time."
SOME = {"files": ["cheetah", "lion"]}
PRESET = "Sets every setting. A setting that you send takes the place of the preset's."
MASK = "White where to dream, black where to leave the picture as it is; of the picture's size. " + PICTURE
GUIDE = "A picture whose features an objective such as guide:block8 follows. " + PICTURE
GENERATOR = "Which network draws."
TRUNCATION = "Lower: less varied, paler; 1 is off."


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is told of an endpoint beside the first lines of its function.

    Attributes:
        settings: the configs whose fields are parameters under their own names.
        parameters: by name, of what is no such field, or is better told here.
        returns: the outputs by name, in order.
        examples: values that work, by parameter; of files, names of example pictures.
    """

    settings: type[Config] | tuple[type[Config], ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


def _picks(letters: str) -> dict[str, str]:
    """The parameters that name generated pictures."""
    told = {"generator": GENERATOR, "truncation": TRUNCATION}
    for letter in letters:
        told[f"seed_{letter}"] = f"The seed of picture {letter.upper()}."
        told[f"index_{letter}"] = f"Which picture of that seed {letter.upper()} is, counted from 0."
    return told


WORDS: Mapping[str, Words] = {
    "classify": Words(settings=ClassifyConfig, parameters={"image": PICTURE}, returns={"classes": CLASSES_BACK}),
    "compare": Words(
        settings=ClassifyConfig,
        parameters={"image": PICTURE, "second_model": "The other network."},
        returns={"first": CLASSES_BACK, "second": CLASSES_BACK},
    ),
    "classify_several": Words(
        settings=ClassifyConfig,
        parameters={"files": PICTURES.format(CLASSIFY_PICTURES)},
        returns={
            "zip": "classes.csv and classes.json.",
            "report": f"The five best classes of each picture by its file's name, {REFUSED}",
        },
        examples=SOME,
    ),
    "explain": Words(
        settings=ExplainConfig,
        parameters={"image": PICTURE},
        returns={"explanation": "The picture under its heat map, a PNG."},
    ),
    "fool": Words(
        settings=FoolConfig,
        parameters={"image": PICTURE},
        returns={
            "changed": "What the network saw, changed just enough, a PNG.",
            "difference": "The change, amplified around middle grey, a PNG.",
            "report": "Answers before and after, and the size of the change in grey levels.",
        },
    ),
    "feature_maps": Words(
        settings=FeatureMapsConfig,
        parameters={"image": PICTURE},
        returns={"sheet": "A contact sheet of the channels, a PNG.", "channels": "The numbers of the channels."},
    ),
    "teach": Words(
        parameters={
            "classes": 'How many of the files belong to each class, in their order: {"cup": 5, "keyboard": 6}.',
            "files": "The pictures of all classes, one class after the other.",
        },
        returns={
            "head": "What was learnt, a .safetensors file for /classify_taught.",
            "report": "How many pictures are named rightly when left out, and which are doubtful.",
        },
        examples={
            "classes": {"stained glass": 2, "ink": 2},
            "files": [f"taught/{kind}_{seed}" for kind in ("stained_glass", "ink_wash") for seed in (11, 12)],
        },
    ),
    "classify_taught": Words(
        parameters={"image": PICTURE, "head": "The .safetensors file that /teach or the page gave, uploaded."},
        returns={"classes": CLASSES_BACK},
        examples={"image": "taught/ink_wash_16", "head": example_head()},
    ),
    "detect_several": Words(
        settings=DetectConfig,
        parameters={"files": PICTURES.format(DETECT_PICTURES)},
        returns={
            "zip": "The pictures with their boxes, 960 px at most, detections.csv, and coco.json.",
            "report": f"The boxes of each picture, in its pixels, by its file's name, {REFUSED}",
        },
        examples=SOME,
    ),
    "detect": Words(
        settings=DetectConfig,
        parameters={"image": PICTURE},
        returns={
            "picture": "The picture with its boxes, a PNG of 1280 px at most.",
            "detections": "Labels, scores and boxes as [x1, y1, x2, y2] in pixels of the picture sent.",
        },
    ),
    "dream": Words(
        settings=DreamConfig,
        parameters={"image": PICTURE, "preset": PRESET, "mask": MASK, "guide": GUIDE},
        returns={"dream": "JPEG previews while it runs, then the dream as a PNG."},
    ),
    "dream_film": Words(
        settings=(DreamConfig, ZoomFilmConfig),
        parameters={"image": PICTURE, "preset": PRESET, "guide": GUIDE, "format": "Of the film: MP4, or GIF."},
        returns={
            "frame": "The frame that was dreamed last, a JPEG, while it runs.",
            "film": "The film, once all of its frames are there.",
        },
    ),
    "stylize": Words(
        settings=StyleConfig,
        parameters={
            "content": PICTURE,
            "style": "The picture whose style is taken. " + PICTURE,
            "seconds": "The best picture in this time; 0 goes by the number of steps.",
            "second_style": "Another picture whose style is taken. " + PICTURE,
            "second_weight": "Its weight. The first style has the weight 1.",
            "mask": "What is white is painted like the second style, what is black like the first. " + PICTURE,
            "start_image": "A picture of the content's shape to begin with, such as an earlier result. " + PICTURE,
        },
        returns={"painting": "Previews while it runs, then the painting. All are PNGs."},
    ),
    "style_instant": Words(
        settings=InstantConfig,
        parameters={
            "content": PICTURE,
            "style": "The picture whose style is taken. " + PICTURE,
            "second_style": "Another picture whose style is taken. " + PICTURE,
            "second_weight": "Its weight. The first style has the weight 1.",
            "mask": "What is white is painted like the second style, what is black like the first. " + PICTURE,
        },
        returns={"painting": "The painting, a PNG."},
    ),
    "sample": Words(settings=SampleConfig, returns={"pictures": "The generated pictures, PNG files."}),
    "interpolate": Words(
        parameters=_picks("ab") | {"count": "How many pictures, A and B among them."},
        returns={"pictures": "The pictures from A to B, PNG files."},
    ),
    "arithmetic": Words(parameters=_picks("abc"), returns={"picture": "The picture at A - B + C, a PNG."}),
    "walk": Words(
        settings=WalkConfig,
        parameters={
            "generator": GENERATOR,
            "truncation": TRUNCATION,
            "seed": "The film passes its first pictures if `through` is not given.",
            "through": "Pictures to pass, as pairs of seed and index: [[12, 6], [12, 0], [99, 3]].",
        },
        returns={"film": "The walk, an MP4 film that loops."},
    ),
    "upscale": Words(
        settings=UpscaleConfig,
        parameters={"image": PICTURE},
        returns={
            "pair": "Bicubic's picture and the network's, 1600 px a side at most.",
            "png": "The network's picture in full size, a PNG.",
        },
    ),
    "upscale_several": Words(
        settings=UpscaleConfig,
        parameters={"files": PICTURES.format(UPSCALE_PICTURES)},
        returns={
            "zip": "The network's pictures in full size, PNGs.",
            "report": f"The name and size of each PNG, {REFUSED}",
        },
        examples=SOME,
    ),
}


def parameter_words(endpoint: str, fields: Mapping[str, Component]) -> dict[str, str]:
    """What each parameter of an endpoint means, with its range and unit; `fields` check the values."""
    words = WORDS.get(endpoint, Words())
    configs = words.settings if isinstance(words.settings, tuple) else (words.settings,)
    settings = {name: setting for config in configs for name, setting in settings_of(config).items()}
    return {
        name: " ".join(filter(None, [_meaning(words, settings, name), _range(component, settings.get(name))]))
        for name, component in fields.items()
    }


def _meaning(words: Words, settings: Mapping[str, Setting], name: str) -> str:
    if name in words.parameters:
        return words.parameters[name]
    if name not in settings:
        return ""
    described = settings[name]
    return f"{described.label}. {described.help_on_choices}".strip()


def _range(component: Any, setting: Setting | None) -> str:
    """A sentence on the allowed numbers; empty of what is no number, or has no bounds."""
    low, high = (
        getattr(component, name, None) if getattr(component, name, None) is not None else getattr(setting, name, None)
        for name in ("minimum", "maximum")
    )
    if low is None or high is None:
        return ""
    unit = f" {setting.unit}" if setting is not None and setting.unit else ""
    return f"From {low:.12g} to {high:.12g}{unit}."
