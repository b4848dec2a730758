"""The Sample tab's endpoints, by a program."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from cvdemo.images import ImageArray, read_image
from cvdemo.sample.generate import Pick, SampleConfig, combine, load_generator
from tests.helpers.near_pictures import differs_at_most
from tests.helpers.whole_results import interpolate, sample


def pictures_of(client: Client, **inputs: Any) -> list[ImageArray]:
    result = client.predict(**inputs, api_name="/sample")
    assert all(item["image"].endswith(".png") for item in result)
    return [read_image(item["image"]) for item in result]


def test_the_endpoint_gives_what_the_library_gives(client: Client) -> None:
    pictures = pictures_of(client, generator="dcgan_anime", count=5, seed=9, truncation=0.6)
    expected = sample(load_generator(), SampleConfig(count=5, seed=9, truncation=0.6))
    assert len(pictures) == 5 and pictures[0].shape == (64, 64, 3)
    assert all(differs_at_most(a, b) for a, b in zip(pictures, expected, strict=True))


def test_the_endpoint_has_defaults_and_a_picture_does_not_depend_on_the_count(client: Client) -> None:
    many, few = pictures_of(client), pictures_of(client, count=2)
    assert len(many) == 16 and len(few) == 2
    assert all(differs_at_most(a, b) for a, b in zip(few, many[:2], strict=True))


@pytest.mark.parametrize(("inputs", "words"), [({"count": 65}, "65"), ({"generator": "nobody"}, "nobody")])
def test_the_endpoint_refuses_what_is_out_of_range(client: Client, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(**inputs, api_name="/sample")


def test_the_way_between_two_by_program(client: Client) -> None:
    named = {"seed_a": 3, "index_a": 5, "seed_b": 8, "index_b": 0, "truncation": 0.7}
    result = client.predict(**named, count=4, api_name="/interpolate")
    pictures = [read_image(item["image"]) for item in result]
    picks = [Pick(seed=3, index=5, truncation=0.7), Pick(seed=8, truncation=0.7)]
    expected = interpolate(load_generator(), picks, 4)
    assert len(pictures) == 4
    assert all(differs_at_most(a, b) for a, b in zip(pictures, expected, strict=True))
    assert len(client.predict(api_name="/interpolate")) == 8


def test_arithmetic_by_program(client: Client) -> None:
    picture = read_image(client.predict(seed_a=1, index_a=9, seed_b=2, index_c=4, api_name="/arithmetic"))
    a, b, c = Pick(seed=1, index=9), Pick(seed=2, index=1), Pick(index=4)
    assert differs_at_most(picture, combine(load_generator(), a, b, c))


def test_a_walk_by_program(client: Client, tmp_path: Path) -> None:
    through = [[12, 6], [12, 0], [99, 3]]
    answer = client.predict(through=through, seconds=2, fps=10, enlarge=1, api_name="/walk")
    path = answer["video"] if isinstance(answer, dict) else answer
    with av.open(path) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 20 and frames[0].shape == (64, 64, 3)
    first = sample(load_generator(), SampleConfig(seed=12, count=7))[6]
    assert np.abs(frames[0].astype(int) - first).mean() < 8


@pytest.mark.parametrize(
    ("endpoint", "inputs", "words"),
    [
        ("/interpolate", {"index_b": 0}, "There is no way from a picture to itself"),
        ("/interpolate", {"index_b": 64}, "64"),
        ("/walk", {"through": "12:6"}, "through must be a list of at most 16 pairs"),
        ("/walk", {"through": [[12, 6]]}, "A walk needs two picks or more"),
        ("/walk", {"through": [[12, 6], [12, "a"]]}, "index must be a number"),
        ("/walk", {"seconds": 400}, "400"),
    ],
)
def test_programs_are_refused_in_words(client: Client, endpoint: str, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(**inputs, api_name=endpoint)
