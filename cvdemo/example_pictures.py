"""The licensed pictures that the page offers and the tests use, and a head that was taught on some of them."""

from importlib.util import find_spec
from pathlib import Path

from cvdemo.data_folders import data_folder

SMALL = "small"  # folder in `examples/`


def example_picture(name: str) -> str:
    """The path of a licensed example picture: one of `examples/`, else one that gradio ships.

    Gradio is looked up, not imported.

    Raises:
        FileNotFoundError: neither has a picture of that name.
    """
    gradio = find_spec("gradio")
    folders = [data_folder("examples")]
    if gradio is not None and gradio.origin is not None:
        folders.append(Path(gradio.origin).parent / "media_assets" / "images")
    for folder in folders:
        path = folder / f"{name}.jpg"
        if path.is_file():
            return str(path)
    raise FileNotFoundError(f"there is no example picture {name!r} in {', '.join(map(str, folders))}")


def small_picture(name: str) -> Path:
    """The file of an example picture as galleries show it; made by `python -m scripts.example_thumbnails`."""
    return data_folder("examples") / SMALL / f"{name}.webp"


def example_head() -> str:
    """The path of a head that tells the drawings of `examples/taught/` apart."""
    return str(data_folder("examples") / "taught" / "head.safetensors")
