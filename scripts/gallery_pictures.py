"""The pictures of the gallery: what each shows, and the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

PHOTOGRAPHS = ("astronaut", "camera", "cheetah", "chelsea", "coffee", "lion", "rocket", "tower")
STYLES = (
    *("autumn_strokes", "halftone", "ink_wash", "mosaic"),
    *("night_swirls", "stained_glass", "woodcut_waves"),
)


@dataclass(frozen=True)
class Mask:
    """A part of a photograph, white on black.

    Attributes:
        photograph: its name. what: the part, in words.
        outline: of the part, x and y in px.
    """

    photograph: str
    what: str
    outline: Sequence[tuple[int, int]]

    def drawn(self, size_wh: tuple[int, int]) -> Image.Image:
        """The mask, as large as the photograph."""
        mask = Image.new("L", size_wh)
        ImageDraw.Draw(mask).polygon(list(self.outline), fill=255)
        return mask


MASKS = {
    "cup_mask": Mask(
        "coffee",
        "the cup",
        [
            *((203, 143), (215, 118), (235, 103), (285, 97), (335, 103), (362, 122), (371, 145)),
            *((365, 165), (350, 178), (320, 190), (293, 193), (270, 190), (248, 182), (227, 169)),
        ],
    ),
    "tower_mask": Mask(
        "tower",
        "the tower",
        [
            *((213, 40), (233, 104), (260, 262), (292, 380), (331, 435), (315, 467), (376, 561), (376, 599)),
            *((40, 599), (113, 475), (97, 432), (134, 388), (166, 270), (181, 180)),
            (192, 104),
        ],
    ),
}


@dataclass(frozen=True)
class Picture:
    """One of the gallery.

    Attributes:
        title: what is seen.
        words: of its command: the verb, the photograph, and all options. Files are named as they are laid out.
    """

    title: str
    words: str


DREAMS = {
    "scaly_cat": Picture("A cat of scales", "dream chelsea.jpg --preset eyes-and-scales --size-px 640"),
    "soft_lion": Picture(
        "A lion among soft creatures",
        "dream lion.jpg --preset eyes-and-scales --parameterisation fourier --size-px 640",
    ),
    "glass_cat": Picture(
        "A cat of glass",
        "dream chelsea.jpg --guide stained_glass.jpg --objective guide:block8 --step-size 3 --colour 0.55 "
        "--size-px 640",
    ),
    "bead_lion": Picture(
        "A lion of beads",
        'dream lion.jpg --guide mosaic.jpg --objective "guide:block5 + guide:block9" --step-size 3 --colour 0.55 '
        "--size-px 640",
    ),
    "watching_night": Picture("A night that looks back", "dream night_swirls.jpg --preset cats-and-dogs --size-px 640"),
    "woven_tower": Picture("A tower under a woven sky", "dream tower.jpg --preset woven-masks --size-px 640"),
    "plush_cheetah": Picture("A cheetah of plush", "dream cheetah.jpg --preset plush-toys --size-px 640"),
    "balloon_coffee": Picture("Coffee of balloons", "dream coffee.jpg --preset balloons-and-scales --size-px 640"),
    "fruit_in_a_cup": Picture(
        "Fruit in a cup", "dream coffee.jpg --mask cup_mask.png --preset cats-and-dogs --size-px 640"
    ),
    "carved_camera": Picture("A man with a camera, carved", "dream camera.jpg --preset carved-wood --size-px 640"),
    "honeycomb_lion": Picture(
        "A lion of honeycomb",
        "dream lion.jpg --objective class:honeycomb --step-size 0.8 --steps 32 --colour 0.55 --size-px 512 "
        "--jitter-px 48",
    ),
    "dive_into_a_cat": Picture(
        "A dive into a cat's face",
        "dream-film chelsea.jpg --preset furry-faces --frames 30 --film-px 512 --zoom 1.05 --turn-deg 1",
    ),
}

PAINTINGS = {
    "glass_lion": Picture(
        "A lion in a church window",
        "stylize lion.jpg --style stained_glass.jpg --style-loss wasserstein --flat-smoothing 1 --tv-weight 80 "
        "--size 512 --steps 40",
    ),
    "swirled_rocket": Picture(
        "A rocket on a swirling night", "stylize rocket.jpg --style night_swirls.jpg --size 1024 --scales 5 --steps 12"
    ),
    "brushed_lion": Picture(
        "A lion in its own colours",
        "stylize lion.jpg --style autumn_strokes.jpg --preset own-colours --size 512 --steps 40",
    ),
    "mosaic_cat": Picture("A cat on a floor of mosaic", "stylize chelsea.jpg --style mosaic.jpg --size 512 --steps 40"),
    "autumn_coffee": Picture("Coffee in autumn", "stylize coffee.jpg --style autumn_strokes.jpg --size 512 --steps 40"),
    "swirled_tower": Picture(
        "A tower in a swirling night", "stylize tower.jpg --style night_swirls.jpg --size 512 --steps 40"
    ),
    "parted_tower": Picture(
        "A tower of autumn under a night sky",
        "stylize tower.jpg --style night_swirls.jpg --also autumn_strokes.jpg 1 --mask tower_mask.png "
        "--size 512 --steps 40",
    ),
    "mixed_astronaut": Picture(
        "An astronaut between night and autumn",
        "stylize astronaut.jpg --style night_swirls.jpg --also autumn_strokes.jpg 1 --size 512 --steps 40",
    ),
    "tiled_coffee": Picture(
        "Coffee of tiles and glass",
        "stylize coffee.jpg --style mosaic.jpg --also stained_glass.jpg 0.5 --size 512 --steps 40",
    ),
    "woodcut_cheetah": Picture(
        "A cheetah on printed waves", "stylize cheetah.jpg --style woodcut_waves.jpg --size 512 --steps 40"
    ),
    "brushed_cat": Picture(
        "A cat, brushed in its own colours",
        "stylize chelsea.jpg --style night_swirls.jpg --keep-colours luminance --size 512 --steps 40",
    ),
    "ink_camera": Picture(
        "A man with a camera, in ink", "stylize camera.jpg --style ink_wash.jpg --size 512 --steps 40"
    ),
}
