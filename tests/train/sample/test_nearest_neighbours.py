"""Nearest training pictures: found among all, mirrored ones too, and held against real pictures."""

import numpy as np
import pytest
import torch

from cvdemo.images import ImageArray
from train.sample.lite0_features import RealFeatures
from train.sample.nearest_neighbours import Neighbours, contact_sheet, find_neighbours, nearest, softened

CPU = torch.device("cpu")


def rays(*degrees: float, length: float = 1.0) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees))
    return length * torch.stack([angles.cos(), angles.sin()], dim=1)


def test_the_nearest_are_those_of_the_smallest_angle() -> None:
    distances, rows = nearest([rays(10.0, 80.0)], rays(90.0, 0.0, 60.0, 30.0, length=5.0), 2)
    assert rows.tolist() == [[1, 3], [0, 2]]
    wanted = 1 - torch.tensor([[10.0, 20.0], [10.0, 20.0]]).deg2rad().cos()
    torch.testing.assert_close(distances, wanted, rtol=1e-4, atol=1e-6)


def test_the_nearer_of_two_views_counts() -> None:
    distances, rows = nearest([rays(45.0), rays(88.0)], rays(90.0, 0.0), 1)
    assert rows.tolist() == [[0]]
    assert distances.item() == pytest.approx(1 - np.cos(np.deg2rad(2)), rel=1e-3)


def test_a_picture_is_not_its_own_neighbour() -> None:
    real = rays(0.0, 10.0, 90.0)
    distances, rows = nearest([real[:2]], real, 1, exclude_self=True)
    assert rows.tolist() == [[1], [0]] and (distances > 0.01).all()
    with pytest.raises(ValueError, match="need more than 3 real pictures, got 3"):
        nearest([real], real, 3, exclude_self=True)


def test_more_samples_than_fit_at_once_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    whole = nearest([real], real, 3, exclude_self=True)
    monkeypatch.setattr("train.sample.nearest_neighbours._ROWS", 7)
    distances, rows = nearest([real], real, 3, exclude_self=True)
    torch.testing.assert_close(distances, whole[0], rtol=0, atol=1e-6)  # a product of other sizes rounds otherwise
    assert torch.equal(rows, whole[1])


def test_copies_are_found_also_when_mirrored() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    samples = np.stack([pictures[7], pictures[3][:, ::-1]])
    found = find_neighbours(samples, RealFeatures(pictures, CPU))
    assert found.indices[:, 0].tolist() == [7, 3] and found.indices.shape == (2, 3)
    assert found.distances[:, 0].max() < 1e-4 < found.distances[:, 1].min()
    assert found.real_to_real.shape == (12,) and found.real_to_real.min() > 1e-4
    assert found.suspects.tolist() == [True, True]
    assert "2 of the 2 samples lie so near to a training picture" in found.sentence()


def test_a_blurred_copy_is_suspected_and_another_picture_is_not(chelsea: ImageArray, cheetah: ImageArray) -> None:
    def pieces(photo: ImageArray) -> list[ImageArray]:
        return [photo[y : y + 64, x : x + 64] for y in range(0, 192, 64) for x in range(0, 320, 64)]

    real = RealFeatures(np.stack(pieces(chelsea)), CPU)
    copies = softened(np.stack(pieces(chelsea))[[2, 7, 11]])
    found = find_neighbours(np.concatenate([copies, np.stack(pieces(cheetah))[:3]]), real)
    assert found.indices[:3, 0].tolist() == [2, 7, 11]
    assert found.suspects.tolist() == [True] * 3 + [False] * 3


def test_the_sentence_holds_samples_against_blurred_copies() -> None:
    real, copies = torch.arange(1, 101) / 100, torch.arange(1, 101) / 1000
    found = Neighbours(torch.tensor([[0.02], [0.5], [0.9]]), np.zeros((3, 1), np.int64), real, copies)
    assert found.suspects.tolist() == [True, False, False]
    text = found.sentence()
    assert "0.020 to 0.900 (median 0.500)" in text and "Copies of 100 training pictures" in text
    assert "95 % of them within 0.095; 1 of the 3 samples lie so near to a training picture. Half" in text
    assert text.endswith("have their nearest other one within 0.500, 2 of the 3 samples theirs.")


def test_where_blur_goes_farther_than_the_next_picture_the_sentence_says_so() -> None:
    real, copies = torch.arange(1, 101) / 1000, torch.arange(1, 101) / 100
    text = Neighbours(torch.tensor([[0.02], [0.5]]), np.zeros((2, 1), np.int64), real, copies).sentence()
    assert "2 of the 2 samples lie so near to a training picture (blur takes these pictures farther than" in text
    assert text.endswith("within 0.050, 1 of the 2 samples theirs.")


@pytest.mark.parametrize("channels", [3, 1])
def test_the_sheet_shows_samples_beside_their_neighbours(channels: int) -> None:
    samples = np.full((3, 16, 16, channels), 10, np.uint8)
    real = np.full((5, 16, 16, channels), 200, np.uint8)
    real[4] = 90
    found = Neighbours(torch.full((3, 2), 0.5), np.array([[4, 0], [0, 1], [2, 3]]), torch.ones(3), torch.ones(3))
    sheet = contact_sheet(samples, real, found)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    shown = 64 * 64  # 16 px four times as large
    assert (sheet == 10).all(axis=2).sum() >= 3 * shown
    assert (sheet == 90).all(axis=2).sum() >= shown
    assert (sheet == 200).all(axis=2).sum() >= 5 * shown
    assert (sheet[:64, :64] == 10).all() and (sheet[:64, 70:134] == 90).all()
