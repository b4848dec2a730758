"""Writes the reference pages of the documentation from the code: `python -m scripts.reference`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["COLUMNS"] = "100"  # of argparse's help, so that it is the same on every terminal

from cvdemo import limits
from cvdemo.classify.adversarial import FoolConfig
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.explain import ExplainConfig
from cvdemo.classify.feature_maps import FeatureMapsConfig
from cvdemo.cli.parser import make_parser
from cvdemo.config import SEED_MAX, Config, Setting, default_of, settings_of
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.zoom_film import ZoomFilmConfig
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.video import StyleVideoConfig
from cvdemo.ui.page import build_page
from cvdemo.upscale.upscale import UpscaleConfig
from cvdemo.weights import WEIGHTS_DIR

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
CONFIGS: dict[str, type[Config]] = {
    "Classify": ClassifyConfig,
    "Explain": ExplainConfig,
    "Fool": FoolConfig,
    "Feature maps": FeatureMapsConfig,
    "Detect": DetectConfig,
    "Dream": DreamConfig,
    "Zoom film": ZoomFilmConfig,
    "Style": StyleConfig,
    "Instant style": InstantConfig,
    "Style of a video": StyleVideoConfig,
    "Sample": SampleConfig,
    "Walk": WalkConfig,
    "Upscale": UpscaleConfig,
}
INTRODUCTION = (
    "[Use from programs](../how-to/use-from-programs.md) shows how to call them. "
    "[Settings](settings.md) tells what each setting does."
)
MADE = "<!-- Made by `python -m scripts.reference`; do not edit. -->"


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "endpoints.md": endpoints(),
        "command-line.md": command_line(),
        "settings.md": settings(),
        "weights.md": weights(),
        "limits.md": limits.as_markdown(),
    }


def cell(value: Any) -> str:
    """A value in a table."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def table(head: list[str], rows: Iterator[list[Any]]) -> list[str]:
    """A Markdown table, line by line."""
    lines = [head, ["---"] * len(head), *([cell(value) for value in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def settings() -> str:
    """Every setting with its range and default."""
    lines = ["# Settings", "", MADE, "", "The page, the API and the command line take these settings from one place."]
    for title, config in CONFIGS.items():
        lines += ["", f"## {title}", "", *table(["Setting", "Default", "Range", "What it does"], _rows(config))]
    return "\n".join(lines) + "\n"


def _rows(config: type[Config]) -> Iterator[list[Any]]:
    for name, described in settings_of(config).items():
        default = default_of(config, name)
        yield [
            f"`{name}`",
            "" if default is None else default,
            _range(described),
            f"{described.label}. {described.help_on_choices}".strip(),
        ]


def _range(described: Setting) -> str:
    """What a setting may be, with its unit."""
    unit = f" {described.unit}" if described.unit else ""
    if described.choices is not None:
        return ", ".join(str(choice) for choice in described.choices) + unit
    if described.minimum is None or described.maximum is None:
        return unit.strip()
    most = f"{described.maximum:g}" if described.maximum < SEED_MAX else f"{described.maximum:,.0f}"
    return f"{described.minimum:g} to {most}{unit}"


def endpoints() -> str:
    """Every endpoint of the page with its inputs and outputs."""
    lines = ["# Endpoints", "", MADE, "", INTRODUCTION]
    info: Any = build_page().get_api_info()
    for name, described in sorted(info["named_endpoints"].items()):
        lines += ["", f"## {name}", "", str(described.get("description", "")).strip(), ""]
        lines += table(["Input", "Default", "What it is", "Type"], _inputs(described))
        lines += ["", *table(["Output", "What it is", "Type"], _outputs(described))]
    return "\n".join(lines) + "\n"


def _inputs(described: Any) -> Iterator[list[Any]]:
    for parameter in described["parameters"]:
        default = _default(parameter["parameter_default"]) if parameter["parameter_has_default"] else "needed"
        kind = parameter["python_type"]["type"].split("[")[0]  # the choices stand beside it
        words = " ".join(filter(None, [parameter["python_type"]["description"], _choices(parameter)]))
        yield [f"`{parameter['parameter_name']}`", default, words, kind]


def _choices(parameter: Any) -> str:
    """What the type lists, in a sentence."""
    kind: str = parameter["python_type"]["type"]
    return f"One of {kind.removeprefix('Literal[').removesuffix(']')}." if kind.startswith("Literal[") else ""


def _default(value: Any) -> str:
    """A file is told by its name: its path is another one on each machine."""
    return str(value["orig_name"]) if isinstance(value, dict) and "orig_name" in value else repr(value)


def _outputs(described: Any) -> Iterator[list[Any]]:
    for output in described["returns"]:
        yield [f"`{output['label']}`", output["python_type"]["description"], output["python_type"]["type"]]


def command_line() -> str:
    """The help of every verb."""
    parser = make_parser()
    lines = ["# Command line", "", MADE, "", "```text", parser.format_help().strip(), "```"]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):  # argparse has no public way to list them
            for verb, sub in action.choices.items():
                lines += ["", f"## {verb}", "", "```text", sub.format_help().strip(), "```"]
    return "\n".join(lines) + "\n"


def weights() -> str:
    """Every weight with what was measured."""
    manifest = json.loads((WEIGHTS_DIR / "manifest.json").read_text(encoding="utf-8"))
    lines = ["# Weights", "", MADE, "", "Each has a card beside it in `weights/`, which tells how it was made.", ""]
    lines += table(["Weight", "Task", "MB", "Measured", "n", "Split"], _weights(manifest["weights"]))
    return "\n".join(lines) + "\n"


def _weights(entries: dict[str, Any]) -> Iterator[list[Any]]:
    for name, entry in sorted(entries.items()):
        metric = entry["metric"]
        value = metric["value"]
        figures = value if isinstance(value, dict) else {metric["name"]: value}
        measured = ", ".join(f"{key} {figure:g}" for key, figure in figures.items())
        size_mb = f"{entry['bytes'] / 1e6:.2f}"
        yield [f"`{name}`", entry["task"], size_mb, measured, metric.get("n", ""), metric["split"]]


def stale() -> list[str]:
    """The pages that are not what the code says."""
    return [name for name, text in pages().items() if (FOLDER / name).read_text(encoding="utf-8") != text]


def main() -> int:
    """Writes the pages; with `--check` only compares them."""
    if sys.argv[1:] == ["--check"]:
        for name in (differ := stale()):
            print(f"docs/reference/{name} is not what the code says: run `python -m scripts.reference`")
        return 1 if differ else 0
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
