"""The presets of the Dream tab as pictures to tap: radio buttons, so that keyboards and screen readers know them."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cvdemo.config import default_of, settings_of
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import DEFAULT_PRESET, FORMER_NAMES, PRESETS, preset_named, thumbnail_name, with_settings
from cvdemo.ui.serving.front import PRESET_PLACE
from cvdemo.ui.wiring.controls import numbers_only

CUSTOM = "Custom"
PRESET_HELP = "The dream starts as soon as you give a picture. Press another of these to change it."
NAMES = (*PRESETS, CUSTOM)
_CUSTOM_ICON = (  # three sliders
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%2364748b' "
    "stroke-width='1.8' stroke-linecap='round'%3E%3Cpath d='M3 6h8m6 0h4M3 12h3m6 0h9M3 18h11m6 0h1'/%3E"
    "%3Ccircle cx='14' cy='6' r='3'/%3E%3Ccircle cx='9' cy='12' r='3'/%3E%3Ccircle cx='17' cy='18' r='3'/%3E%3C/svg%3E"
)
_TILES = """
#dream-preset .wrap { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 8px; }
#dream-preset label { position: relative; display: block; padding: 4px; }
#dream-preset label::before {
  content: ""; display: block; aspect-ratio: 1; border-radius: 4px;
  background: var(--background-fill-secondary) center / cover;
}
#dream-preset label:last-of-type::before { background: url("CUSTOM_ICON") center / 45% no-repeat; }
#dream-preset label:focus-within { outline: 2px solid var(--color-accent); outline-offset: 1px; }
#dream-preset input { position: absolute; top: 9px; left: 9px; }
#dream-preset label span { display: block; margin: 4px 0 0; font-size: 0.75rem; line-height: 1.25; }
@media (max-width: 640px) { /* one line to swipe, so that the picture stays on the first screen */
  #dream-preset .wrap {
    grid-auto-flow: column; grid-template-columns: none; grid-auto-columns: 92px; overflow-x: auto; padding: 2px;
  }
}
#dream-brush .brush-view { position: relative; width: fit-content; max-width: 100%; margin: 0 auto; }
#dream-brush img { display: block; max-width: 100%; max-height: 60vh; margin: 0; }
#dream-brush img:not([src]) { display: none; }
#dream-brush canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0.6; cursor: crosshair; touch-action: none;
}
"""


def config_of(preset: str | DreamConfig, chosen: dict[str, Any]) -> DreamConfig:
    """The preset's config with every value of `chosen` that is not None in place of the preset's.

    Args:
        preset: a name, of which "Custom" is the default config, or a config.

    Raises:
        InputError: no such preset.
    """
    given = {name: type(default_of(DreamConfig, name))(value) for name, value in chosen.items() if value is not None}
    if isinstance(preset, DreamConfig):
        return with_settings(preset, given)
    return with_settings(DreamConfig() if preset == CUSTOM else preset_named(preset), given)


def name_of(config: DreamConfig) -> str:
    """The preset that a config is, whatever its seed; "Custom" where it is none."""
    same = (name for name, preset in PRESETS.items() if with_settings(preset, {"seed": config.seed}) == config)
    return next(same, CUSTOM)


def preset_radio() -> gr.Radio:
    """The presets, and "Custom" for settings of one's own."""
    return gr.Radio(list(NAMES), value=DEFAULT_PRESET, label="Dream of", info=PRESET_HELP, elem_id="dream-preset")


def preset_field(value: str | None = DEFAULT_PRESET) -> gr.Dropdown:
    """The presets for programs, by former names too."""
    return gr.Dropdown([*NAMES, *FORMER_NAMES], value=value, label="Preset", visible=False)


def setting_fields(names: Sequence[str]) -> list[Component]:
    """Fields that only programs fill, empty by default, with the names and ranges of the config."""
    described, fields = settings_of(DreamConfig), list[Component]()
    for name in names:
        setting = described[name]
        if setting.choices is not None:
            fields.append(gr.Dropdown(list(setting.choices), value=None, label=name, visible=False))
        elif isinstance(default_of(DreamConfig, name), str):
            fields.append(gr.Textbox(None, label=name, visible=False))
        else:
            limits: dict[str, Any] = {"minimum": setting.minimum, "maximum": setting.maximum}
            fields.append(numbers_only(gr.Number(None, label=name, visible=False, **limits)))
    return fields


def dream_css() -> str:
    """The rules of the Dream tab, for the page's CSS; browsers load the presets' pictures once they show them."""
    rules = [_TILES.replace("CUSTOM_ICON", _CUSTOM_ICON)]
    for number, name in enumerate(PRESETS, start=1):
        address = f"./{PRESET_PLACE}/{thumbnail_name(name)}"
        rules.append(f'#dream-preset label:nth-of-type({number})::before {{ background-image: url("{address}"); }}\n')
    return "".join(rules)


def show_when_custom(preset: gr.Radio, more: gr.Accordion) -> None:
    """Who chooses "Custom" sees at once what can be set: the accordion opens, and comes into sight."""
    script = f"""(name) => {{
        if (name !== {json.dumps(CUSTOM)}) return {{ __type__: "update" }};
        window.cvdemo.unfolded({json.dumps(more.elem_id)});
        return {{ __type__: "update", open: true }};
    }}"""
    preset.input(None, [preset], [more], js=script, api_visibility="private", show_progress="hidden")


def wire_presets(preset: gr.Radio, controls: dict[str, Component]) -> Dependency:
    """A preset sets every control at once, in the browser; a control moved by hand makes the preset "Custom".

    A layer or channel that is moved empties the objective, which would go before it.

    Returns:
        The event that a preset was chosen.
    """
    table = json.dumps({name: [getattr(config, field) for field in controls] for name, config in PRESETS.items()})
    values = list(controls.values())
    script = f"(name, ...current) => ({table})[name] ?? current"
    chosen: Dependency = preset.input(None, [preset, *values], values, js=script, api_visibility="private")
    moved = [field.input for field in values if isinstance(field, gr.Slider | gr.Dropdown | gr.Textbox)]
    gr.on(moved, None, None, preset, js=f"() => {json.dumps(CUSTOM)}", api_visibility="private")
    goals = [
        field.input for name in ("layer", "channel") if isinstance(field := controls[name], gr.Slider | gr.Dropdown)
    ]
    gr.on(goals, None, None, controls["objective"], js='() => ""', api_visibility="private")
    return chosen
