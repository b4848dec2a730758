"""The pictures of the gallery: what each shows, and the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

PHOTOGRAPHS = ("astronaut", "camera", "castle", "cheetah", "chelsea", "coffee", "cows", "lion", "rocket", "tower")
STYLES = (
    *("cafe_terrace", "church_at_auvers", "great_wave", "night_cafe", "summertime"),
    *("autumn_strokes", "mosaic", "night_swirls", "stained_glass"),
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
    "sky_mask": Mask(
        "castle",
        "the sky",
        [
            *((0, 0), (799, 0), (799, 238), (570, 238), (568, 222), (563, 222), (563, 192), (548, 174), (533, 192)),
            *((533, 222), (526, 222), (528, 236), (455, 238), (422, 234), (421, 215), (414, 200), (405, 178)),
            *((318, 182), (312, 165), (304, 130), (298, 165), (294, 177), (272, 176), (271, 140), (265, 118)),
            *((253, 60), (243, 118), (238, 140), (240, 175), (204, 176), (197, 156), (192, 178), (183, 200)),
            *((178, 230), (100, 242), (0, 235)),
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
    "dreaming_cafe": Picture("A café that dreams", "dream cafe_terrace.jpg --preset eyes-and-scales --size-px 640"),
    "balloon_coffee": Picture("Coffee of balloons", "dream coffee.jpg --preset balloons-and-scales --size-px 640"),
    "fruit_in_a_cup": Picture(
        "Fruit in a cup", "dream coffee.jpg --mask cup_mask.png --preset cats-and-dogs --size-px 640"
    ),
    "carved_camera": Picture("A man with a camera, carved", "dream camera.jpg --preset carved-wood --size-px 640"),
    "dreaming_castle": Picture("A castle that dreams", "dream castle.jpg --preset eyes-and-scales --size-px 640"),
    "dive_into_a_cat": Picture(
        "A dive into a cat",
        "dream-film chelsea.jpg --preset eyes-and-scales --frames 36 --film-px 512 --zoom 1.05 --turn-deg 1",
    ),
}

PAINTINGS = {
    "terrace_castle": Picture(
        "A castle of a café's night under a swirling sky",
        "stylize castle.jpg --style cafe_terrace.jpg --also night_swirls.jpg 1 --mask sky_mask.png "
        "--size 640 --steps 40",
    ),
    "auvers_lion": Picture("A lion of Auvers", "stylize lion.jpg --style church_at_auvers.jpg --size 640 --steps 40"),
    "wave_cat": Picture("A cat of the great wave", "stylize chelsea.jpg --style great_wave.jpg --size 640 --steps 40"),
    "summer_cows": Picture("Cows in summertime", "stylize cows.jpg --style summertime.jpg --size 640 --steps 40"),
    "cafe_coffee": Picture("Coffee in a night café", "stylize coffee.jpg --style night_cafe.jpg --size 640 --steps 40"),
    "glass_castle": Picture(
        "A castle in a church window",
        "stylize castle.jpg --style stained_glass.jpg --start instant --size 1024 --scales 7 --steps 60",
    ),
    "swirled_tower": Picture(
        "A tower in a swirling night", "stylize tower.jpg --style night_swirls.jpg --size 512 --steps 40"
    ),
    "swirled_rocket": Picture(
        "A rocket on a swirling night", "stylize rocket.jpg --style night_swirls.jpg --size 1024 --scales 5 --steps 12"
    ),
    "mosaic_cat": Picture("A cat on a floor of mosaic", "stylize chelsea.jpg --style mosaic.jpg --size 512 --steps 40"),
    "autumn_coffee": Picture("Coffee in autumn", "stylize coffee.jpg --style autumn_strokes.jpg --size 512 --steps 40"),
    "mixed_astronaut": Picture(
        "An astronaut between night and autumn",
        "stylize astronaut.jpg --style night_swirls.jpg --also autumn_strokes.jpg 1 --size 512 --steps 40",
    ),
    "brushed_lion": Picture(
        "A lion in its own colours",
        "stylize lion.jpg --style autumn_strokes.jpg --preset own-colours --size 512 --steps 40",
    ),
}
