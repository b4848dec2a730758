"""What a field may be sent instead of a path: the address of a file of the page, which names it and is not fetched."""

from pathlib import Path

import gradio as gr
import httpx
import pytest
from PIL import Image

from cvdemo.ui.serving.field_values import checked
from cvdemo.ui.serving.uploads import sent_path, uploaded_path
from tests.ui.api_caller import FILE, Caller, results
from tests.ui.tab_handlers import drawn

ADDRESSES = ["http://127.0.0.1:7860/gradio_api/file={}", "HTTPS://example.com/space/gradio_api/file={}"]


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "files" / "a" / "my picture.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(path)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    return path


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_the_page_names_its_file(picture: Path, address: str) -> None:
    for path in (str(picture), str(picture).replace(" ", "%20")):
        assert sent_path({"path": address.format(path), "meta": FILE}) == str(picture)
    with pytest.raises(gr.Error, match="has to be uploaded"):
        uploaded_path({"path": address.format(picture)})  # the route that serves files would fetch it


@pytest.mark.parametrize("path", ["FOLDER/../secret.png", "/etc/hostname", "http://192.0.2.1/x.png", ""])
def test_an_address_leads_nowhere_else(picture: Path, path: str) -> None:
    named = path.replace("FOLDER", str(picture.parents[1]))
    for sent in (ADDRESSES[0].format(named), f"http://192.0.2.1/{named}", "http://x/file=" + str(picture)):
        with pytest.raises(gr.Error, match="has to be uploaded"):
            sent_path({"path": sent})


def test_picture_and_file_fields_take_it(picture: Path) -> None:
    sent = {"path": ADDRESSES[0].format(picture), "meta": FILE}
    fields = list(drawn(lambda: (gr.Image(), gr.File(), gr.File(file_count="multiple"))).blocks.values())
    made = [block for block in fields if isinstance(block, gr.Image | gr.File)]
    one, single, several = checked(made, [sent, sent, [sent]])
    assert one["path"] == single["path"] == several[0]["path"] == str(picture)


def test_the_file_route_does_not_fetch_what_looks_like_an_address_of_the_page(server: str) -> None:
    with Caller(server) as caller:
        path = caller.upload()["path"]
        assert httpx.get(f"{server}/gradio_api/file={path}").status_code == 200
        for address in (f"{server}/gradio_api/file={path}", f"http://192.0.2.1/gradio_api/file={path}"):
            assert httpx.get(f"{server}/gradio_api/file={address}").status_code == 403
        sent = {"path": f"{server}/gradio_api/file={path}", "meta": FILE}
        assert results(caller.call("classify", [sent, "imagenet", False]))[0]["label"] == "lion"
