"""Who may import whom, by package: app -> ui, cli -> backends -> demos -> nets -> ops -> core; train -> cvdemo.

Inside train: tools -> recipes -> classify, detect, style, sample, upscale -> publishing -> data -> engine.
"""

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEMOS = {"classify", "detect", "dream", "style", "sample", "upscale"}
MAY_USE = {"detect": {"classify"}, "sample": {"upscale"}}  # a demo that uses another
CORE = {"cvdemo", *(f"cvdemo.{path.stem}" for path in (ROOT / "cvdemo").glob("*.py")), "cvdemo.picture_files"}
LAYERS = (  # each may import itself and those below
    CORE,
    {"cvdemo.ops"},
    {"cvdemo.nets"},
    {f"cvdemo.{demo}" for demo in DEMOS},
    {"cvdemo.backends", "cvdemo.demos"},
    {"cvdemo.ui", "cvdemo.cli", "cvdemo.__main__"},
)
TRAIN_DEMOS = {"classify", "detect", "style", "sample", "upscale"}
TRAIN_LAYERS = (  # likewise; the command line stands above them all
    {"train.engine"},
    {"train.data"},
    {"train.publishing"},
    {f"train.{demo}" for demo in TRAIN_DEMOS},
    {"train.recipes"},
    {"train.tools"},
    {"train.commands", "train.__main__"},
)
TRAINING_LOOPS = {"train/engine/loop.py"}  # may have longer functions
FILES = sorted([*(ROOT / "cvdemo").rglob("*.py"), *(ROOT / "train").rglob("*.py")])


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, with `from x import y` as both x and x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def is_within(name: str, package: str) -> bool:
    return name == package or (package != "cvdemo" and name.startswith(package + "."))


def layer_of(module: str, layers: Sequence[set[str]] = LAYERS) -> int | None:
    """The place of a module among `layers`, None for what is in none of them."""
    places = [place for place, packages in enumerate(layers) if any(is_within(module, name) for name in packages)]
    return max(places) if places else None


def demo_of(module: str, root: str = "cvdemo") -> str | None:
    return next((demo for demo in DEMOS if is_within(module, f"{root}.{demo}")), None)


def check_train(module: str, names: set[str]) -> None:
    """No module of training imports one above it, nor what another demo's recipes share."""
    if module == "train":
        assert not [name for name in names if name.startswith("train.")]
        return
    own = layer_of(module, TRAIN_LAYERS)
    assert own is not None, f"{module} stands in no layer"
    assert not [name for name in names if (layer_of(name, TRAIN_LAYERS) or 0) > own]
    if demo := demo_of(module, "train"):
        assert {other for name in names if (other := demo_of(name, "train"))} <= {demo}


@pytest.mark.parametrize("path", FILES, ids=lambda path: module_of(path))
def test_imports_point_downwards_only(path: Path) -> None:
    module, names = module_of(path), imported(path)
    if module.startswith("train"):
        assert not [name for name in names if name.split(".")[0] in {"app", "gradio"} or is_within(name, "cvdemo.ui")]
        check_train(module, names)
        return
    own = layer_of(module)
    assert own is not None, f"{module} stands in no layer"
    assert not [name for name in names if (layer_of(name) or 0) > own]
    assert not [name for name in names if name.split(".")[0] in {"app", "train"}]
    if not is_within(module, "cvdemo.ui"):
        assert not [name for name in names if name.split(".")[0] == "gradio" or is_within(name, "cvdemo.ui")]
    if demo := demo_of(module):
        assert {other for other in map(demo_of, names) if other} <= {demo, *MAY_USE.get(demo, ())}


def test_every_package_of_the_library_stands_in_a_layer() -> None:
    """A module that the rules do not know would be free of them."""
    assert layer_of("cvdemo.ops.boxes") == 1
    assert layer_of("cvdemo.detect.drawing") == 3
    assert layer_of("numpy") is None
    assert layer_of("train.data.augment", TRAIN_LAYERS) == 1 and layer_of("train.recipes.dcgan", TRAIN_LAYERS) == 4
    assert not [path for path in FILES if path.parts[len(ROOT.parts)] == "cvdemo" and layer_of(module_of(path)) is None]


def test_no_module_or_function_is_too_long() -> None:
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        assert source.count("\n") <= 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                limit = 80 if path.relative_to(ROOT).as_posix() in TRAINING_LOOPS else 40
                assert (node.end_lineno or 0) - node.lineno < limit, f"{path}: {node.name}"


@pytest.mark.slow
def test_the_library_imports_without_gradio() -> None:
    names = [module_of(path) for path in FILES]
    library = [name for name in names if name.startswith("cvdemo") and not is_within(name, "cvdemo.ui")]
    modules = ", ".join(name for name in library if "__main__" not in name)
    code = f"import sys, {modules}; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


TESTS_OF_THE_LIBRARY = [path for path in (ROOT / "tests").rglob("*.py") if "ui" not in path.relative_to(ROOT).parts]


@pytest.mark.parametrize("path", TESTS_OF_THE_LIBRARY, ids=lambda path: module_of(path))
def test_only_tests_of_the_page_import_gradio(path: Path) -> None:
    """The import takes seconds, in each worker and each time that somebody runs one test."""
    page = {"gradio", "gradio_client", "app"}
    assert not [
        name for name in imported(path) if name.split(".")[0] in page or name.startswith(("cvdemo.ui", "tests.ui"))
    ]
