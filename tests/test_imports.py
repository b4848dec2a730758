"""The direction of imports: app -> cvdemo.ui -> cvdemo <- train, gradio only in cvdemo/ui, demos side by side."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEMOS = {"classify", "detect", "deepdream", "style", "dcgan", "srcnn"}
LIBRARY = sorted((ROOT / "cvdemo").rglob("*.py"))
TRAIN = sorted((ROOT / "train").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, with `from x import y` as both x and x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def within(names: set[str], package: str) -> set[str]:
    return {name for name in names if name == package or name.startswith(package + ".")}


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_imports_neither_training_nor_the_page(path: Path) -> None:
    names = imported(path)
    assert not within(names, "train")
    if (ROOT / "cvdemo" / "ui") not in path.parents:
        assert not within(names, "gradio") and not within(names, "cvdemo.ui")


@pytest.mark.parametrize("path", TRAIN, ids=lambda p: str(p.relative_to(ROOT)))
def test_training_does_not_import_the_page(path: Path) -> None:
    names = imported(path)
    assert not within(names, "gradio") and not within(names, "cvdemo.ui") and not within(names, "app")


def test_demos_do_not_import_one_another_but_detection_uses_a_classifier() -> None:
    for demo in sorted(DEMOS):
        path = ROOT / "cvdemo" / f"{demo}.py"
        others = {other for other in DEMOS - {demo} if within(imported(path), f"cvdemo.{other}")}
        assert others <= ({"classify"} if demo == "detect" else set()), demo


def test_no_module_or_function_is_too_long() -> None:
    for path in [*LIBRARY, *TRAIN]:
        source = path.read_text(encoding="utf-8")
        assert source.count("\n") <= 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                limit = 80 if (ROOT / "train") in path.parents else 40
                assert (node.end_lineno or 0) - node.lineno < limit, f"{path}: {node.name}"


def test_the_library_imports_without_gradio() -> None:
    modules = ", ".join(f"cvdemo.{demo}" for demo in sorted(DEMOS))
    code = f"import sys, {modules}; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
