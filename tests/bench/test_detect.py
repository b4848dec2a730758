"""The benchmark of detection: what its rows say of answers that are known, and Haar beside it in the same run."""

import json
import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from bench import detect as bench
from bench import (
    detect_angles,
    detect_answers,
    detect_choices,
    detect_closer,
    detect_levels,
    detect_rows,
    detect_windows,
)
from bench import detect_peers as peers
from bench.machine import cpu_name
from cvdemo.demo import Step
from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.images import ImageArray
from cvdemo.nets.backbone import load_backbone
from cvdemo.nets.window_net import lite_windows
from cvdemo.runtime import PROCESS_THREADS
from cvdemo.weights import load_labels
from tests.train.detect.face_pictures import BOX, write_face_folder
from train.detect.annotations import Annotated, truth_of
from train.detect.average_precision import Found
from train.recipes import bccd_detector, objects_detector

_WEAK = 0.2  # below the page's threshold, above the lowest score that is kept


def _scan(image: ImageArray, boxes: list[list[float]], scores: list[float]) -> Scan:
    truth = truth_of(boxes)
    return Scan(
        size_wh=(image.shape[1], image.shape[0]),
        labels=["face"],
        levels=(),
        windows_xyxy=truth.xyxy,
        fitted_xyxy=truth.xyxy,
        scores=np.array(scores, np.float32),
        classes=truth.classes,
        windows=7,
        elapsed_ms=1.0,
        complete=True,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DetectRequest]:
    """Every detector finds the drawn face, weakly, and a wrong box that is weaker; the list fills with the requests."""
    requests: list[DetectRequest] = []

    def run(request: DetectRequest) -> Iterator[Step[DetectResult]]:
        requests.append(request)
        scan = _scan(request.image, [list(BOX), [50, 0, 60, 10]], [_WEAK, 0.1])
        yield Step(done=1, total=1, result=DetectResult(scan, select(scan, request.config)))

    monkeypatch.setattr(detect_answers, "run_detect", run)
    return requests


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write_face_folder(tmp_path)
    return tmp_path


def test_weak_boxes_count_for_average_precision(faces: Path, asked: list[DetectRequest]) -> None:
    """The page at its defaults shows none of them; the curve needs all."""
    cmu, fddb, time, peer = bench.face_rows(faces, 0)
    assert peer.beside == "not run: no file" and not peer.values
    assert fddb.values["ap30"] == fddb.values["ap50"] == 1
    assert (fddb.values["n"], fddb.values["boxes"]) == (1, 1)
    assert cmu.values["n"] == 2
    assert 0 < cmu.values["ap50"] <= 1  # found in both pictures, there is a face in one
    assert {"ap30", "ap50", "recall_at_10"} <= fddb.values["haar"].keys()
    assert time.values["ms"] > 0
    assert time.target == "at most half of Haar's" and list(time.values["beside"]) == ["Haar"]
    assert time.values["beside"]["Haar"]["ms"] > 0
    assert time.values["shares"]["Haar"] == pytest.approx(time.values["ms"] / time.values["beside"]["Haar"]["ms"])
    assert {request.config.detector for request in asked} == {"face"}
    assert {request.config.score_threshold for request in asked} == {None}  # timed as the page does


def test_on_cmu_mit_squares_are_compared_with_squares(faces: Path, asked: list[DetectRequest]) -> None:
    """A wide true box, which the found one meets in the square framing alone."""
    (faces / "val_boxes.csv").write_text("image,x1,y1,x2,y2\na.jpg,10,16,50,41\n")
    cmu, *_ = bench.face_rows(faces, 0)
    assert cmu.values["ap50"] > 0
    (faces / "fddb_boxes.csv").write_text("file,fold,x1,y1,x2,y2\n9.jpg,9,10,16,50,41\n")
    _, fddb, *_ = bench.face_rows(faces, 0)
    assert fddb.values["ap50"] == 0


def test_false_faces_are_those_above_the_threshold(
    faces: Path, asked: list[DetectRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"held_out_fold": 0}
    entry = type("Entry", (), {"settings": settings})
    monkeypatch.setattr(bench, "entry_of", lambda name: entry)
    held_out, every = bench.scene_rows(faces, 0)
    assert (held_out.values["n"], every.values["n"]) == (2, 10)
    assert held_out.values["false"] == every.values["false"] == 0  # both boxes are weaker
    kinds = {name: replace(kind, score_threshold=0.15) for name, kind in DETECTORS.items()}
    monkeypatch.setattr("cvdemo.detect.selection.DETECTORS", kinds)
    held_out, every = bench.scene_rows(faces, 0)
    assert (held_out.values["false"], every.values["false"]) == (2, 10)
    settings["held_out_fold"] = -1
    (only,) = bench.scene_rows(faces, 3)
    assert only.values["n"] == 3


def test_objects_and_cells(tmp_path: Path, asked: list[DetectRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    usual = Annotated(path, bench.TIMED_WH, truth_of([list(BOX)]))
    for recipe in (objects_detector, bccd_detector):
        monkeypatch.setattr(recipe, "read_split", lambda folder, split: [usual] if split == "test" else [])
    quality, time = bench.object_rows(tmp_path, 0)
    assert quality.values["map50"] == 1
    assert time.values["n"] == 1
    (cells,) = bench.cell_rows(tmp_path, 0)
    assert cells.values["map50"] == 1
    assert [request.config.detector for request in asked] == ["objects", "objects", "bccd", "bccd"]


def test_any_detector_is_measured_on_the_sets_whose_classes_it_has(faces: Path, asked: list[DetectRequest]) -> None:
    sets = list(detect_choices.box_sets(faces, None, None, 0))
    assert [box_set.name for box_set in sets] == ["FDDB, fold 9", detect_choices.CMU_MIT]
    rows = {row.what.split(":")[0]: row.values for row in detect_choices.choice_rows(["haar", "people_hog"], sets)}
    assert list(rows) == [f"`haar` on {box_set.name}" for box_set in sets]  # people have no faces there
    assert rows["`haar` on FDDB, fold 9"]["classes"] == {"ap30": {"face": 1.0}, "ap50": {"face": 1.0}}
    assert {request.config.detector for request in asked} == {"haar"}


def test_people_are_measured_as_persons_of_voc(tmp_path: Path, asked: list[DetectRequest]) -> None:
    """The answer has class 0, which is the person of `people_hog`; nothing of the set's other classes counts."""
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    truth = truth_of([list(BOX), [0, 0, 9, 9]], [objects_detector.VOC_LABELS.index("person"), 0])
    voc = detect_choices.BoxSet("VOC", [Annotated(path, (80, 60), truth)], objects_detector.VOC_LABELS)
    (row,) = detect_choices.choice_rows(["people_hog"], [voc])
    assert row.values["classes"]["ap50"] == {"person": 1.0} and row.words == "person 1.000 / 1.000"


def test_imagenet_has_all_but_persons_of_voc() -> None:
    labels, voc = load_labels("efficientnet_lite0"), objects_detector.VOC_LABELS
    classes = detect_choices.shared_classes("imagenet", labels, voc)
    assert {voc[index] for index in classes.values()} == set(voc) - {"person"}
    dogs = [index for index, of_voc in classes.items() if voc[of_voc] == "dog"]
    assert dogs == list(range(151, 269))
    assert not detect_choices.shared_classes("imagenet", labels, ["face"])
    with pytest.raises(ValueError, match=r"no labels \['unicorn'\]"):
        detect_choices.members(["unicorn"], labels)
    found = Found(np.zeros((2, 4), np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 200]))
    assert detect_choices.renamed(found, classes).classes.tolist() == [voc.index("dog")]


def test_a_turned_picture_keeps_its_faces_in_their_boxes() -> None:
    """A bright ellipse turned by a quarter lies where its box says; nothing of it is cut off."""
    picture = np.zeros((60, 100, 3), np.uint8)
    cv2.ellipse(picture, (20, 30), (8, 14), 0, 0, 360, (255,) * 3, -1)
    square, truth = detect_angles.turned_picture(picture, truth_of([[12, 16, 28, 44]]), 90)
    assert square.shape == (117, 117, 3)
    rows, columns = (square[..., 0] > 200).nonzero()
    extent = [columns.min(), rows.min(), columns.max(), rows.max()]
    np.testing.assert_allclose(truth.xyxy[0], extent, atol=1.5)
    assert truth.xyxy[0, 1] < 117 / 2 < truth.xyxy[0, 2]  # clockwise: from the left to the top


def test_faces_are_measured_at_each_angle(faces: Path, asked: list[DetectRequest]) -> None:
    (faces / "fddb_boxes.csv").write_text("file,fold,x1,y1,x2,y2\n9.jpg,8," + ",".join(map(str, BOX)) + "\n")
    (row,) = detect_angles.angle_rows(faces, 0, [45])
    assert row.values["n"] == row.values["boxes"] == 1
    assert {request.config.detector for request in asked} == {"face", "haar"}
    assert row.values["face"]["false"] == row.values["face"]["recall"] == 0  # both boxes are weak
    found, truth = (
        Found(np.array([BOX], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int64)),
        truth_of([BOX]),
    )
    assert detect_angles.found_of([found], [truth], 0.5) == {"ap30": 1, "recall": 1, "false": 0}


def test_haar_scores_by_votes() -> None:
    face = cv2.imread(str(Path(__file__).parents[2] / "examples" / "astronaut.jpg"))
    assert face is not None
    found = peers.haar_finder(peers.HAAR_NEIGHBOURS)(np.ascontiguousarray(face[..., ::-1]))
    assert len(found.scores) >= 1
    assert found.xyxy.shape == (len(found.scores), 4)
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
    nothing = peers.haar_finder(peers.HAAR_NEIGHBOURS)(np.zeros((50, 60, 3), np.uint8))
    assert nothing.xyxy.shape == (0, 4)


def test_crop_by_crop_is_held_against_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(request: DetectRequest) -> Iterator[Step[DetectResult]]:
        best = np.full((2, 3), 0.5 + 1e-6 * request.config.crop_by_crop, np.float32)
        scan = replace(_scan(request.image, [], []), levels=(LevelScores((480, 640), best, 224, 32, 112),))
        yield Step(done=1, total=1, result=DetectResult(scan, select(scan, request.config)))

    monkeypatch.setattr(detect_answers, "run_detect", run)
    (row,) = bench.crop_row()
    assert row.values["difference"] == pytest.approx(1e-6, rel=0.1)
    assert row.values["windows"] == 7
    one, other = (
        detect_answers.detect(detect_rows.smooth_noise((64, 48)), DetectConfig(detector="imagenet")) for _ in range(2)
    )
    with pytest.raises(ValueError, match="windows differ: 7 and 8"):
        bench.score_difference(one, DetectResult(replace(other.scan, windows=8), other.detections))


def two_faces(file: Path, boxes: int = 4) -> Path:
    """A network in the Ultra-Light format that sees one face twice and another weakly, whatever the picture."""
    scores = np.array([[[0.1, 0.9], [0.2, 0.8], [0.4, 0.6], [0.999, 0.001]]], np.float32)
    places = np.array([[[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.48], [0.5, 0.5, 1, 1], [0, 0.5, 0.2, 0.6]]], np.float32)
    outputs = {"scores": scores, "boxes": places[..., :boxes]}
    nodes = [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value, name))
        for name, value in outputs.items()
    ]
    described = [onnx.helper.make_tensor_value_info(name, 1, value.shape) for name, value in outputs.items()]
    pixels = onnx.helper.make_tensor_value_info("input", 1, (1, 3, 240, 320))
    graph = onnx.helper.make_graph(nodes, "faces", [pixels], described)
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), file)
    return file


def test_a_peer_in_the_ultra_light_format(tmp_path: Path) -> None:
    peer = peers.ultra_light(two_faces(tmp_path / "faces.onnx"), 1)
    found = peer.find(np.zeros((100, 200, 3), np.uint8))
    assert found.xyxy.tolist() == [[0, 0, 100, 50], [100, 50, 200, 100]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.6])
    with pytest.raises(ValueError, match=r"need 1x3xHxW -> .* got .* -> \(\.\.\., 2, 3\)"):
        peers.ultra_light(two_faces(tmp_path / "other.onnx", boxes=3), 1)
    with pytest.raises(FileNotFoundError, match="is no file"):
        peers.ultra_light(tmp_path / "none.onnx", 1)


def test_each_peer_has_its_row(faces: Path, asked: list[DetectRequest]) -> None:
    files = [two_faces(faces / name) for name in ("small.onnx", "large.onnx")]
    args = bench.make_parser().parse_args(["--faces", str(faces), "--peer", *map(str, files)])
    _, _, time, *rows = bench.sources(args)["faces"]()
    assert time.target == "at most half of Haar's and at most small's"
    assert list(time.values["beside"]) == list(time.values["shares"]) == ["Haar", "small", "large"]
    took = time.values["beside"]["large"]["ms"]
    assert time.values["shares"]["large"] == pytest.approx(time.values["ms"] / took)
    assert time.beside.startswith("Haar ") and f", large {took:.0f} ms" in time.beside
    assert [row.values["file"] for row in rows] == ["small.onnx", "large.onnx"]
    for row in rows:
        assert row.what.startswith(f"{bench.PEER}, {Path(row.values['file']).stem}:")
        assert row.beside.startswith("CMU+MIT, validation half 0.") and row.values["ms"] > 0
        assert row.values["n"] == time.values["n"] == 3
        assert {"ap30", "ap50"} <= row.values["FDDB, fold 9"].keys()


@pytest.mark.parametrize(("value", "told"), [(0.5, "0.5"), (9.2e-8, "0.00000009"), (0.0, "0"), (12.0, "10")])
def test_small_numbers_are_written_out(value: float, told: str) -> None:
    assert detect_rows.plain(value) == told


def test_windows_of_valid_convolutions_agree_with_their_crops() -> None:
    (row,) = detect_windows.valid_row((160, 112))
    assert row.values["difference"] < 1e-4 and row.values["windows"] > 900
    assert row.values["crops_ms"] > row.values["ms"]
    net = detect_windows.face_windows()
    assert net.trunk(torch.zeros(1, 3, net.window_px, net.window_px)).shape[-1] == net.cells


def test_closer_windows_are_woven_in_their_order() -> None:
    """Layers that take every so many pixels: each window answers with the pixel at its corner."""
    fronts = {stride: partial(_every, stride) for stride in (4, 8, 16, 32)}
    closer = detect_closer.CloserWindows(fronts, {stride: partial(_every, 2) for stride in (4, 8, 16)}, torch.clone, 64)
    pixels = torch.arange(96 * 160.0).reshape(1, 1, 96, 160)
    for stride in detect_closer.STRIDES_PX:
        assert torch.equal(
            closer.logits(pixels, stride), _every(stride, pixels)[0, :, : 32 // stride + 1, : 96 // stride + 1]
        )


def _every(step: int, maps: torch.Tensor) -> torch.Tensor:
    return maps[..., ::step, ::step]


@torch.inference_mode()
def test_closer_windows_hold_the_wider_ones() -> None:
    network, pixels = load_backbone("cpu").network, torch.randn(1, 3, 96, 160)
    closer, net = detect_closer.closer_windows(network, 64), lite_windows(network, 64)
    found = {stride: closer.logits(pixels, stride) for stride in detect_closer.STRIDES_PX}
    torch.testing.assert_close(found[32], net.window_logits(net.trunk(pixels)), atol=1e-4, rtol=0)
    for wider, stride in pairwise(detect_closer.STRIDES_PX):
        torch.testing.assert_close(found[stride][:, ::2, ::2], found[wider])


def test_closer_windows_are_timed() -> None:
    rows = list(detect_closer.closer_rows((240, 240), (32, 16)))
    assert [row.values["windows"] for row in rows] == sorted(row.values["windows"] for row in rows)
    assert all(row.values["crops_cpu_ms"] > row.values["cpu_ms"] > 0 for row in rows)


SMALL_LEVELS = ((64, 96), (32, 64))


def test_levels_are_packed_side_by_side() -> None:
    levels = [torch.full((1, 3, *size_hw), value) for size_hw, value in zip(SMALL_LEVELS, (1.0, 2.0), strict=True)]
    canvas = detect_levels.packed(levels)
    assert canvas.shape == (1, 3, 64, 96 + 32 + 64)
    assert (canvas[:, :, :, :96] == 1).all() and (canvas[:, :, :, 96:128] == 0).all()
    assert (canvas[:, :, :32, 128:] == 2).all() and (canvas[:, :, 32:, 128:] == 0).all()


def test_levels_one_by_one_and_packed_are_timed() -> None:
    on_cpu, on_gpu = detect_levels.level_rows(SMALL_LEVELS, repeats=1)
    assert on_cpu.values["ms"] > 0 and on_cpu.values["packed_ms"] > 0 and on_cpu.what.endswith("on the CPU")
    assert on_cpu.beside == "levels of 96 x 64, 64 x 32 px"
    if not torch.cuda.is_available():
        assert on_gpu.beside == "not run: no CUDA GPU" and not on_gpu.values


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_levels_are_timed_on_a_gpu() -> None:
    _, on_gpu = detect_levels.level_rows()
    assert on_gpu.values["device"] == "cuda" and torch.cuda.get_device_name() in on_gpu.what
    assert on_gpu.values["ms"] > 0 and on_gpu.values["packed_ms"] > 0


@pytest.mark.parametrize(("n", "expected"), [(0, [0, 1, 2, 3, 4]), (2, [0, 2]), (9, [0, 1, 2, 3, 4])])
def test_pictures_are_spread_evenly(n: int, expected: list[int]) -> None:
    assert list(detect_answers.spread([0, 1, 2, 3, 4], n)) == expected


def test_the_table_and_the_json(faces: Path, asked: list[DetectRequest], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--faces", str(faces), "--rows", "faces", "--threads", str(PROCESS_THREADS)]
    bench.main(words)
    printed = capsys.readouterr().out
    head, empty, *rows = printed.splitlines()
    assert head.startswith(f"{cpu_name()}, {PROCESS_THREADS} threads of") and "; load before " in head and not empty
    assert f"torch {torch.__version__}, onnxruntime " in head and f"opencv {cv2.__version__}" in head
    assert rows[0] == "| what | n | this project | target | beside it |"
    assert "| at least .965 / .930 | Haar " in printed
    assert [row.split(" | ")[1] for row in rows[2:]] == ["2", "1", "3", ""]  # no peer was given
    bench.main([*words, "--json"])
    result = json.loads(capsys.readouterr().out)
    assert len(result["rows"]) == 4
    assert result["threads"] == PROCESS_THREADS and result["cpu"] == cpu_name()


def test_a_cpu_is_named_as_the_system_names_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Some CPU 9000\nprocessor\t: 1\nmodel name\t: Other\n")
    assert cpu_name(told) == "Some CPU 9000"
    assert cpu_name(tmp_path / "none") == (platform.processor() or platform.machine())


def test_rows_without_their_folder_are_left_out(asked: list[DetectRequest], capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--rows", "faces", "objects"])
    assert capsys.readouterr().out.count("\n| ") == 1  # the heads alone


def test_what_does_not_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--n", "-1"])
    assert "--n has to be 0 or more" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"val_boxes\.csv"):
        bench.main(["--faces", str(tmp_path), "--rows", "faces"])
