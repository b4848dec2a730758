"""Where the weights and the example pictures lie: inside an installed package, in a checkout beside it.

The build copies `weights/` and `examples/` to `cvdemo/bundled/`; see `tool.hatch` in pyproject.toml.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "bundled"


def data_folder(name: str) -> Path:
    """The folder `weights` or `examples`."""
    bundled = _BUNDLED / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


def how_to_restore(path: str) -> str:
    """What to do where a file is gone or altered: "restore it with ...".

    Args:
        path: from the top of the repository, "weights/manifest.json" for instance.
    """
    if _BUNDLED.is_dir():
        return "restore it with `pip install --force-reinstall --no-deps`, followed by what cvdemo was installed from"
    return f"restore it with `git checkout HEAD -- {path}`"
