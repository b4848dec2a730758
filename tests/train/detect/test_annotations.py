"""Annotations: VOC's pixels counted from 1, tables of boxes, YOLO's shares, clipping, what is missing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.detect.annotations import VOC2007, Truth, read_box_csv, read_voc, read_yolo, truth_of

_XML = """<annotation><source><database>{database}</database></source>
<size><width>40</width><height>30</height></size>{objects}</annotation>"""
_OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>{x1}</xmin><ymin>1</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object>"""


def _picture(path: Path) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.new("RGB", (40, 30)).save(path)


def _voc(folder: Path, name: str, objects: str = "", database: str = VOC2007) -> None:
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / "Annotations" / f"{name}.xml").write_text(_XML.format(database=database, objects=objects))
    _picture(folder / "JPEGImages" / f"{name}.jpg")


def test_voc_boxes_are_of_whole_pixels_counted_from_zero(tmp_path: Path) -> None:
    objects = _OBJECT.format(name="cat", difficult=0, x1=1) + _OBJECT.format(name="dog", difficult=1, x1=11)
    _voc(tmp_path, "b", objects)
    _voc(tmp_path, "a", _OBJECT.format(name="unicorn", difficult=0, x1=1))
    empty, full = read_voc(tmp_path, ["dog", "cat"])
    assert (empty.path.name, len(empty.truth.classes)) == ("a.jpg", 0)
    assert empty.truth.xyxy.shape == (0, 4)
    assert full.size_wh == (40, 30)
    assert full.truth.xyxy.tolist() == [[0, 0, 40, 30], [10, 0, 40, 30]]  # the first covers the picture
    assert full.truth.classes.tolist() == [1, 0]
    assert full.truth.difficult.tolist() == [False, True]


def test_voc_pictures_are_chosen_by_text_and_by_name(tmp_path: Path) -> None:
    _voc(tmp_path, "000001")
    _voc(tmp_path, "000002")
    _voc(tmp_path, "car", database="of somebody else")
    assert len(read_voc(tmp_path, [])) == 3
    assert [a.path.stem for a in read_voc(tmp_path, [], only=VOC2007)] == ["000001", "000002"]
    assert [a.path.stem for a in read_voc(tmp_path, [], names={"000002", "car"})] == ["000002", "car"]
    with pytest.raises(FileNotFoundError, match="no annotations with 'nothing'"):
        read_voc(tmp_path, [], only="nothing")


@pytest.mark.parametrize(
    ("objects", "message"),
    [("<object>", "no annotation of VOC"), ("<object><name>cat</name></object>", "no bndbox/xmin")],
)
def test_a_broken_xml_is_told_with_its_name(tmp_path: Path, objects: str, message: str) -> None:
    _voc(tmp_path, "broken", objects)
    with pytest.raises(ValueError, match=message):
        read_voc(tmp_path, ["cat"])


def test_a_box_inside_out_is_refused(tmp_path: Path) -> None:
    _voc(tmp_path, "odd", _OBJECT.format(name="cat", difficult=0, x1=41))
    with pytest.raises(ValueError, match=r"a box from \(41.0, 1.0\) to \(40.0, 30.0\)"):
        read_voc(tmp_path, ["cat"])


def test_an_xml_without_its_picture_is_refused(tmp_path: Path) -> None:
    _voc(tmp_path, "lone")
    (tmp_path / "JPEGImages" / "lone.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"lone\.jpg is not there"):
        read_voc(tmp_path, [])


def test_a_table_gives_clipped_boxes_and_pictures_without_any(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg"):
        _picture(tmp_path / name)
    table = tmp_path / "boxes.csv"
    table.write_text("image,x1,y1,x2,y2\nb.jpg,-5,2.5,20,40\nb.jpg,1,1,2,2\n")
    empty, full = read_box_csv(table, tmp_path)
    assert (empty.path.name, empty.truth.xyxy.shape) == ("a.jpg", (0, 4))
    assert full.truth.xyxy.tolist() == [[0, 2.5, 20, 30], [1, 1, 2, 2]]
    assert full.truth.xyxy.dtype == np.float32


def test_folds_of_a_table(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        _picture(tmp_path / name)
    table = tmp_path / "boxes.csv"
    table.write_text("file,fold,x1,y1,x2,y2\n1.jpg,1,0,0,9,9\n2.jpg,2,0,0,9,9\n")
    assert [a.path.stem for a in read_box_csv(table, tmp_path, folds={2})] == ["2"]
    with pytest.raises(ValueError, match=r"no boxes of folds \[7\]"):
        read_box_csv(table, tmp_path, folds=[7])


def test_a_table_without_a_column_or_with_a_box_outside_is_refused(tmp_path: Path) -> None:
    _picture(tmp_path / "a.jpg")
    table = tmp_path / "boxes.csv"
    table.write_text("image,x1,y1,x2\na.jpg,1,2,3\n")
    with pytest.raises(ValueError, match="no column 'y2'"):
        read_box_csv(table, tmp_path)
    table.write_text("image,x1,y1,x2,y2\na.jpg,41,2,50,9\n")
    with pytest.raises(ValueError, match="lies outside its 40 x 30 px"):
        read_box_csv(table, tmp_path)


def test_shapes_that_do_not_fit_are_refused() -> None:
    assert truth_of([]).xyxy.shape == (0, 4)
    with pytest.raises(ValueError, match="need"):
        Truth(np.zeros((2, 4), np.float32), np.zeros(1, np.int64), np.zeros(2, np.bool_))


def _yolo(folder: Path, name: str, text: str | None) -> None:
    """A picture of 40 x 30 px, with its text unless there is none."""
    _picture(folder / "pictures" / f"{name}.jpg")
    (folder / "texts").mkdir(exist_ok=True)
    if text is not None:
        (folder / "texts" / f"{name}.txt").write_text(text)


def test_yolo_boxes_are_shares_of_the_picture_round_their_centre(tmp_path: Path) -> None:
    _yolo(tmp_path, "b", "7 0.5 0.5 0.5 1\n3 0.25 0.5 0.1 0.2\n5 0.5 0.5 1 1\n")
    _yolo(tmp_path, "a", None)
    _yolo(tmp_path, "c", "")
    empty, full, blank = read_yolo(tmp_path / "pictures", tmp_path / "texts", {7: 0, 3: 4})
    assert [len(item.truth.classes) for item in (empty, full, blank)] == [0, 2, 0]
    assert full.path.name == "b.jpg" and full.size_wh == (40, 30)
    np.testing.assert_allclose(full.truth.xyxy, [[10, 0, 30, 30], [8, 12, 12, 18]], atol=1e-4)
    assert full.truth.classes.tolist() == [0, 4] and not full.truth.difficult.any()


def test_yolo_boxes_are_clipped_to_their_picture(tmp_path: Path) -> None:
    _yolo(tmp_path, "a", "0 0.95 0.5 0.2 0.5")
    (item,) = read_yolo(tmp_path / "pictures", tmp_path / "texts", {0: 0})
    np.testing.assert_allclose(item.truth.xyxy, [[34, 7.5, 40, 22.5]], atol=1e-4)


@pytest.mark.parametrize(
    "line",
    ["0 0.5 0.5 0.5", "0 0.5 0.5 0.5 0.5 0.5", "cat 0.5 0.5 0.5 0.5", "0 20 15 10 10", "0 0.5 0.5 0 0.5", "0.5 x", ""],
)
def test_a_line_that_is_no_box_of_yolo_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    _yolo(tmp_path, "a", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 2 is no box of YOLO"):
        read_yolo(tmp_path / "pictures", tmp_path / "texts", {0: 0})


def test_pictures_without_any_text_are_the_wrong_folder(tmp_path: Path) -> None:
    _yolo(tmp_path, "a", None)
    with pytest.raises(FileNotFoundError, match=r"no picture of .* has a text in "):
        read_yolo(tmp_path / "pictures", tmp_path / "texts", {0: 0})
