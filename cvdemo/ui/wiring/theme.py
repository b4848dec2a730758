"""Colours, type and the few rules of CSS that make the page usable on a phone; no font is fetched from anywhere."""

from pathlib import Path

import gradio as gr

from cvdemo.ui.serving.previews import TYPE_BY_NAME
from cvdemo.ui.wiring.access import ACCESS_HEAD, readable

STATIC = Path(__file__).parent / "static"
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

CSS = """
.gradio-container {
  max-width: clamp(1180px, 90vw, 1440px) !important; width: 100% !important; margin: 0 auto !important;
}
.column:has(> .finished):not([data-result]) :is(.of-result, .send, .form:has(> .of-result:only-child)) {
  display: none;
}
.column[data-result] > .finished { display: none; }
.column:not([data-result]) > :is(#dream-again, #dream-film) { display: none !important; } /* there is no dream yet */
.finished p { margin: 0 0 8px; font-weight: 600; }
.finished .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 8px; }
.finished figure { margin: 0; }
.finished img { display: block; width: 100%; border-radius: 6px; }
.finished figcaption { margin-top: 4px; font-size: 0.85rem; }
.send { gap: 8px; }
/* gradio draws a wheel of 80 px over the line of words too, which scrolled then */
.block.status > .wrap { height: 100% !important; }
.block.status > .wrap > div:has(> svg) { display: none; }
.block.status { overflow: hidden !important; }
#sample-pick:not(:has(img)), #sample-pick:not(:has(img)) + .send { display: none; }
summary { cursor: pointer; padding: 4px 0; }
.method-note { font-size: 0.9rem; opacity: 0.8; padding: 2px 4px; max-width: 75ch; }
.block .wrap:has(> .error) { display: none; } /* an error is told once, by its sentence */
.status { min-height: 1.5em; padding: 0 4px; font-variant-numeric: tabular-nums; }
.numbers th, .numbers td { border-color: var(--border-color-primary) !important; }
.numbers { font-variant-numeric: tabular-nums; }
.numbers td + td, .numbers th + th { text-align: right !important; white-space: nowrap; }
.box-table .body-cell:nth-last-child(-n + 3) span { white-space: nowrap; } /* score and corners; names may be long */
:is(#sample-result, #sample-between) .grid-wrap { min-height: 0; max-height: none; overflow: visible; }
:is(#sample-result, #sample-between) .grid-container {
  grid-template-columns: repeat(
    auto-fill, minmax(max(120px, (100% - var(--grid-cols) * 12px) / var(--grid-cols)), 1fr)
  ) !important; /* as many columns as asked for, but none too narrow to see its pictures of 64 px */
  grid-auto-rows: auto !important;
}
:is(#detect-gallery, #upscale-several-gallery) .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)) !important; grid-auto-rows: auto !important;
}
:is(#sample-result, #sample-between, #sample-pick, #sample-sum, #sample-slots, #sample-equation) img {
  image-rendering: pixelated; /* their own pixels, sharp: smoothed they look out of focus */
}
#sample-between .media-button img { width: min(384px, 100%); height: auto; margin: auto; }
:is(#sample-pick, #sample-sum, #sample-bicubic, #sample-restored) img {
  width: 100%; height: 100%; object-fit: contain;
}
:is(#sample-bicubic, #sample-restored) img { max-width: 360px; margin: 0 auto; }
:is(#sample-latent, #sample-slots, #sample-equation) .html-container { padding: 0 4px; }
.tight { gap: 8px; }
.icon-button.icon-button, .source-selection .icon.icon {
  min-width: 32px; min-height: 32px; justify-content: center; align-items: center;
}
:is(.icon-button.icon-button div, .icon-button.icon-button svg, .source-selection .icon svg) {
  width: 24px; height: 24px;
}
.picks { display: flex; gap: 10px; align-items: flex-start; }
.picks figure { flex: 0 1 112px; min-width: 0; margin: 0; }
.picks :is(img, .empty) { display: block; width: 100%; aspect-ratio: 1; border-radius: 6px; margin: 0; }
.picks .empty { border: 1.5px dashed var(--border-color-primary); }
.picks figcaption { margin-top: 3px; font-size: 0.75rem; line-height: 1.3; text-align: center; opacity: 0.8; }
.picks > span { align-self: center; font-size: 1.6rem; padding-bottom: 1.2em; }
:is(#style-styles, #style-pictures) > .gallery { display: grid; grid-template-columns: repeat(7, minmax(0, 1fr)); }
:is(#style-styles, #style-pictures) .gallery-item * { width: 100%; height: auto; max-height: none; }
:is(#style-styles, #style-pictures) .gallery-item img { aspect-ratio: 1; object-fit: cover; }
:is(#style-live-styles, #style-video-styles) > .gallery {
  display: grid; grid-template-columns: repeat(4, minmax(0, 1fr));
}
:is(#style-live-styles, #style-video-styles) .gallery-item * {
  width: 100%; height: auto; max-height: none; max-width: none;
}
:is(#style-live-styles, #style-video-styles) .gallery-item img { aspect-ratio: 1; object-fit: cover; }
.live-camera video, .live-camera .wrap > img { width: 100%; height: 100%; object-fit: contain; }
:is(#detect-examples, #sample-examples, #style-painted) > .gallery {
  display: grid; grid-template-columns: repeat(4, minmax(0, 1fr));
}
:is(#detect-examples, #sample-examples, #style-painted) .gallery-item * {
  width: 100%; height: auto; max-height: none; max-width: none;
}
:is(#detect-examples, #style-painted) .gallery-item img { aspect-ratio: 4 / 3; object-fit: cover; }
#sample-examples .gallery-item img { aspect-ratio: 1; object-fit: cover; }
@media (min-width: 641px) { /* pictures, and the curves below them; beside both the result and the settings */
  #style-parts { display: grid; grid-template: auto 1fr / repeat(2, minmax(0, 1fr)); }
  #style-parts > :nth-child(2) { grid-area: 1 / 2 / span 2; }
  #style-parts > :nth-child(3) { grid-area: 2 / 1; }
}
.teach-class .block { border: 0 !important; }
.teach-class .grid-wrap { padding-top: 0; }
.teach-class .icon-button-wrapper { /* beside the pictures: gradio lays its buttons over the last one of the row */
  position: sticky; top: 0; float: right; flex-direction: column; margin: 0 0 0 8px; border: 0;
  box-shadow: none;
}
.teach-class .grid-container { /* small ones, of which two rows are seen */
  grid-template-columns: repeat(auto-fill, minmax(68px, 1fr)) !important; grid-auto-rows: auto !important;
}
.teach-class .icon-button::after { display: none !important; } /* lines between buttons that stand in a row */
.block.teach-count {
  flex: none !important; width: auto !important; min-width: 0 !important; display: flex; align-items: center;
  background: var(--block-background-fill); box-shadow: -1px 0 var(--block-background-fill); /* no line before it */
}
.teach-count p { margin: 0; padding: 0 12px 0 0; font-size: 0.85rem; white-space: nowrap; }
#teach-doubtful:not(:has(li)) { display: none; }
.doubts { margin: 0 !important; padding: 0 !important; list-style: none !important; }
.doubts li { display: flex; gap: 12px; margin: 0 0 12px !important; align-items: flex-start; }
.doubts img { flex: none; width: 112px; height: 112px; margin: 0; object-fit: cover; border-radius: 6px; }
.doubts p { margin: 0 0 8px; overflow-wrap: anywhere; }
.doubts button {
  min-height: 32px; margin: 0 8px 8px 0; padding: 2px 12px; border-radius: 4px; cursor: pointer; text-align: left;
  font-size: 0.9rem; font-weight: normal; overflow-wrap: anywhere;
  background: var(--button-secondary-background-fill); color: var(--button-secondary-text-color);
}
.column:has(> #teach-status .again) #teach-run { outline: 3px solid var(--primary-300); outline-offset: 2px; }
.column:has(> #teach-status .again) #teach-run::after { content: " again"; white-space: pre; }
:is(#DetectConfig-detector, #sample-generator, .long-choice) input {
  text-overflow: ellipsis; padding-right: 2em;
}
table.named { width: 100%; border-collapse: collapse; font-size: 0.95rem; }
table.named :is(th, td) {
  padding: 8px; border: 0 solid var(--border-color-primary) !important; border-bottom-width: 1px !important;
  text-align: left; vertical-align: top;
}
table.named tbody th { width: 7rem; font-weight: normal; }
table.named img { display: block; width: 72px; height: 72px; object-fit: cover; border-radius: 6px; }
table.named span { display: block; margin-top: 4px; font-size: 0.8rem; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  :is(#style-styles, #style-pictures) > .gallery { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  #sample-result .grid-wrap { max-height: 75vh; overflow-y: auto; }
  button { min-height: 40px; }
  .tab-wrapper { --size-8: 40px; } /* the height of a line of tabs */
  .label-wrap.label-wrap { margin: -10px 0; align-items: center; } /* as high as the padding around it allows */
  .label-wrap.open { margin-bottom: 0; }
  .tab-like-container { height: auto; align-items: center; } /* of a slider's number and its "back to the default" */
  .reset-button { min-width: 40px; justify-content: center; }
  #classify-answers .confidence-set { margin: 0; align-items: center; }
  .icon-button.icon-button, .source-selection .icon.icon { min-width: 44px; min-height: 44px; }
  .doubts button { min-height: 40px; }
  .teach-class .grid-container { grid-template-columns: repeat(auto-fill, minmax(60px, 1fr)) !important; }
  /* The button that runs the tab and its "Cancel" stay in sight. These two hold them and would end that at their own
     ends, so they make no boxes: what they hold goes into the column around them. */
  .row > .column:has(> .row > button.primary[id$="-run"]),
  .row:has(> .column > .row > button.primary[id$="-run"]) { display: contents; }
  .row:has(> button.primary[id$="-run"]) {
    position: sticky; top: 0; bottom: 0; z-index: 40; padding: 6px 0; background: var(--body-background-fill);
  }
}
"""

# Gradio confines the CSS above to the inside of the page's padding, so what lies outside of it is set from the head.
_HEAD_CSS = """
@media (max-width: 640px) {
  .gradio-container .fillable { padding: 0 12px 8px !important; }
  .gradio-container { overflow: clip !important; } /* as "hidden", which gradio sets, nothing inside could stick */
  html { scroll-padding-top: 60px; } /* of the button that stays at the top */
  .gradio-container footer button { min-height: 40px; }
  .gradio-container footer .divider { display: none; } /* gradio hides the link before it, and leaves this dot */
}
.live-camera[data-going] button[aria-label="capture photo"] > * { display: none; }
.live-camera[data-going] button[aria-label="capture photo"]::after { content: "Stop"; }
#burst {
  position: fixed; bottom: 16px; left: 50%; transform: translateX(-50%); z-index: 1000; padding: 8px; cursor: pointer;
  border-radius: 8px; background: #1e293b; color: #fff; font: 15px/1.4 system-ui, sans-serif; text-align: center;
}
#burst video { display: block; width: min(80vw, 320px); border-radius: 4px; }
#burst p { margin: 6px 0; }
#burst button { width: 100%; min-height: 44px; border: 1px solid; border-radius: 4px; }
footer .divider { display: none !important; } /* of a link that is not shown, it would stand alone */
footer { gap: 16px; }
#going { display: none; }
@media (max-width: 699px) {
  #going:not([hidden]) {
    position: fixed; inset: auto 0 0; z-index: 900; display: flex; flex-wrap: wrap;
    gap: 8px; align-items: center; padding: 8px 12px max(8px, env(safe-area-inset-bottom));
    background: #1e293b; color: #fff; font: 15px/1.3 system-ui, sans-serif;
  }
  html.going.over .row:has(> button.primary[id$="-run"]) { bottom: var(--bar) !important; } /* above the bar */
  #going p {
    flex: 1 0 100%; margin: 0; max-height: 3.9em; overflow: hidden; font-variant-numeric: tabular-nums;
  }
  #going button:not([hidden]) {
    flex: 1; min-height: 44px; padding: 0 12px; border: 1px solid #94a3b8; border-radius: 6px; background: none;
    color: #fff; font: inherit; cursor: pointer;
  }
  #going button:disabled { color: #94a3b8; border-color: #475569; }
  html.going body { padding-bottom: 116px !important; }
}
#refused {
  position: fixed; bottom: 16px; left: 50%; transform: translateX(-50%); z-index: 1000; max-width: min(90vw, 480px);
  padding: 12px 16px; border-radius: 8px; background: #1e293b; color: #fff; font: 15px/1.4 system-ui, sans-serif;
}
"""
_SCRIPTS = (
    *("parts.js", "going.js", "history.js", "refused.js", "camera.js", "burst.js", "doubts.js", "uploads.js"),
    *("upload_arrow.js", "brush.js"),
)
HEAD = "".join(
    [
        f"<style>{_HEAD_CSS}</style>",
        *(f"<script>{(STATIC / name).read_text(encoding='utf-8')}</script>" for name in _SCRIPTS),
        TYPE_BY_NAME,
        ACCESS_HEAD,
    ]
)


def theme() -> gr.themes.Base:
    """Soft greys with one accent colour, for light and dark alike."""
    return readable(_colours()).set(
        link_text_color_dark="*secondary_300",
        link_text_color_visited_dark="*secondary_300",
        link_text_color_hover_dark="*secondary_200",
        link_text_color_active_dark="*secondary_200",
    )


def _colours() -> gr.themes.Base:
    return gr.themes.Default(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=SANS, font_mono=MONO
    )
