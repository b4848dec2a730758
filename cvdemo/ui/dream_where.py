"""Where to dream, and whose features to follow: a brush on the picture, a mask field, and a guide picture."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from cvdemo.dream.mask import mask_from_picture
from cvdemo.images import ImageArray
from cvdemo.ui.wiring.controls import load_picture, picture_input

BRUSH_PERCENT = 12  # of the longer side; `static/brush.js` begins with the same
BRUSH = '<div class="brush-view" aria-live="off"></div>'
WHERE_NOTE = (
    "Paint where to dream. The rest of the picture stays as it is. Or drop a black and white picture of your own "
    "below: white is where to dream. (A mask)"
)
GUIDE_NOTE = (
    "With a picture to follow, the dream takes shapes and textures from that picture, not from the network. (A guide)"
)
_IN_BROWSER: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "multiple"}


@dataclass(frozen=True)
class Where:
    """The two picture fields; either may be empty."""

    mask: gr.Image
    guide: gr.Image


def build_where(image: gr.Image) -> Where:
    """Draws the part that opens, and keeps its brush with the picture."""
    take = gr.Button(visible="hidden", elem_id="dream-mask-take")  # pressed by the brush, at the end of a stroke
    with gr.Accordion("Dream in one place only, or of another picture", open=False, elem_id="dream-where") as accordion:
        gr.Markdown(WHERE_NOTE, elem_classes="method-note")
        gr.HTML(BRUSH, elem_id="dream-brush")
        with gr.Row():
            size = gr.Slider(2, 40, BRUSH_PERCENT, step=1, label="Brush (% of the picture)", elem_id="dream-brush-size")
            erase = gr.Checkbox(False, label="Erase", elem_id="dream-brush-erase", min_width=100)
            clear = gr.Button("Clear", elem_id="dream-brush-clear", min_width=80, scale=0)
        with gr.Row():
            mask = picture_input(
                "Where to dream: white", elem_id="dream-mask", height=160, min_width=140, sources=["upload"]
            )
            guide = picture_input("Picture to follow", elem_id="dream-guide", height=160, min_width=140)
        gr.Markdown(GUIDE_NOTE, elem_classes="method-note")
    take.click(None, None, mask, js="() => window.cvdemo.brush.mask()", **_IN_BROWSER)
    clear.click(None, None, mask, js="() => window.cvdemo.brush.clear()", **_IN_BROWSER)
    image.change(None, image, mask, js="(picture) => window.cvdemo.brush.use(picture)", **_IN_BROWSER)
    accordion.expand(None, None, None, js="() => { window.cvdemo.brush.show(); }", **_IN_BROWSER)
    chosen = "(size, erase) => { window.cvdemo.brush.set(size, erase); }"
    gr.on([size.change, erase.change], None, [size, erase], None, js=chosen, **_IN_BROWSER)
    return Where(mask, guide)


def load_mask(path: str | None, picture: ImageArray) -> ImageArray | None:
    """The mask of a picture field, brought to the picture's size: uint8 (H, W); None where the field is empty."""
    if path is None:
        return None
    return mask_from_picture(load_picture(path, "a mask"), (picture.shape[0], picture.shape[1]))


def load_guide(path: str | None) -> ImageArray | None:
    """The guide picture, uint8 (h, w, 3); None where the field is empty."""
    return None if path is None else load_picture(path, "a guide picture")
