"""Results as whole files: gradio's pictures are written under another name and renamed.

Gradio names a picture after its content and writes it in place, again each time that it is made, so that a visitor who
downloads it while another gets the same result receives a part of it.
"""

import os
import secrets
from pathlib import Path

from gradio import processing_utils
from gradio.utils import get_upload_folder
from PIL import Image

from cvdemo.errors import DemoError
from cvdemo.ui.serving.field_values import wrong
from cvdemo.ui.serving.page_folder import ROOM
from cvdemo.ui.serving.result_names import result_name
from cvdemo.whole_files import write_whole as write_whole


def save_pil_to_cache(img: Image.Image, cache_dir: str, name: str = "image", format: str = "webp") -> str:
    """The path of a picture file in `cache_dir`, in a folder named after its content; see `result_names`."""
    data: bytes = processing_utils.encode_pil_to_bytes(img, format)  # type: ignore[no-untyped-call]  # gradio's
    return _keep(data, f"{result_name(name)}.{format}", cache_dir)


def save_bytes_to_cache(data: bytes, file_name: str, cache_dir: str) -> str:
    """The path of a file with these bytes in `cache_dir`, in a folder named after them."""
    if not Path(file_name).suffix:
        file_name += processing_utils.detect_audio_format(data)
    return _keep(data, Path(file_name).name, cache_dir)


def _keep(data: bytes, name: str, cache_dir: str) -> str:
    """Writes the file unless it is there already; either way its time of removal starts anew."""
    path = Path(cache_dir) / processing_utils.hash_bytes(data) / name
    try:
        os.utime(path)
    except OSError:
        try:
            ROOM.check(len(data))
        except DemoError as error:
            raise wrong(str(error)) from error
        write_whole(path, data)
    return str(path)


def save_download(name: str, data: bytes) -> Path:
    """Writes a result to download, at a fresh path that ends in `name`.

    Raises:
        RoomError: the folder has no room for it.
    """
    path = download_path(name, len(data))
    write_whole(path, data)
    return path


def download_path(name: str, size: int = 0) -> Path:
    """A fresh path that ends in `name`, in the folder that gradio serves from and the page clears by age.

    Raises:
        RoomError: the folder has no room for `size` bytes.
    """
    ROOM.check(size)
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / name
