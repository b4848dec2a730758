"""What the Sample demo runs: requests and steps that pickle, known pictures, time limits, errors in words."""

import pickle

import numpy as np
import pytest
import torch

from cvdemo import demos
from cvdemo.demo import Request, last_step, result_of
from cvdemo.errors import InputError
from cvdemo.nets.dcgan import Generator
from cvdemo.ops.read_video import Video
from cvdemo.sample.generate import Pick, SampleConfig, combine, generate, latents
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.sample.run import (
    ANGLE,
    ArithmeticRequest,
    InterpolateRequest,
    PicksRequest,
    SampleRequest,
    WalkRequest,
)
from tests.helpers.whole_results import interpolate, sample

A, B, C = Pick(seed=1, index=2), Pick(seed=2, truncation=0.5), Pick(seed=3)
FILM = WalkConfig(seconds=2, fps=10, enlarge=1)
REQUESTS = {
    "sample": SampleRequest(config=SampleConfig(count=20, seed=4)),
    "picks": PicksRequest(picks=(A, B)),
    "interpolate": InterpolateRequest(picks=(A, B), count=20),
    "arithmetic": ArithmeticRequest(a=A, b=B, c=C),
    "walk": WalkRequest(config=FILM, picks=(A, B)),
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """A small generator in the place of all; there are two names for it."""
    generator = Generator(latent_dim=5, width=4, size=16).eval().requires_grad_(False)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    monkeypatch.setattr("cvdemo.sample.run.load_generator", lambda name, device: generator)
    return generator


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_and_steps_pickle_and_the_last_has_the_result(request_: Request) -> None:
    steps = pickle.loads(pickle.dumps(list(demos.run(pickle.loads(pickle.dumps(request_))))))
    assert [step.result is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].done == steps[-1].total and steps[-1].complete and steps[-1].seconds_left in (None, 0)


def test_pictures_of_a_seed_come_some_at_a_time(tiny: Generator) -> None:
    config = SampleConfig(count=20, seed=4, truncation=0.5)
    steps = list(demos.run(SampleRequest(config=config)))
    assert [(step.done, step.total, len(step.partial)) for step in steps] == [(16, 20, 16), (20, 20, 20)]
    np.testing.assert_allclose(np.stack(steps[-1].result), np.stack(sample(tiny, config)), atol=1)
    assert len(steps[0].partial) == 16  # what was handed out does not grow


@pytest.mark.parametrize("name", ["sample", "interpolate", "walk"])
def test_a_time_limit_ends_it_with_what_there_is(name: str) -> None:
    changed = {**vars(REQUESTS[name]), "time_limit_s": 0}
    (step,) = demos.run(type(REQUESTS[name])(**changed))
    assert (step.done, step.total, step.complete) == (16, 20, False) and step.result


def test_picks_are_drawn_with_their_latents(tiny: Generator) -> None:
    drawn = result_of(demos.run(PicksRequest(picks=(A, B))))
    for pick, found in zip((A, B), drawn, strict=True):
        np.testing.assert_array_equal(found.latent, pick.latent(5).numpy())
        np.testing.assert_array_equal(found.image, generate(tiny, pick.latent(5)[None])[0])


def test_the_way_between_picks_measures_their_angle(tiny: Generator) -> None:
    last = last_step(demos.run(InterpolateRequest(picks=(A, B), count=3)))
    np.testing.assert_allclose(np.stack(last.result), np.stack(interpolate(tiny, [A, B], 3)), atol=1)
    a, b = A.latent(5).numpy(), B.latent(5).numpy()
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert last.measures[ANGLE] == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-3)
    there_and_back = last_step(demos.run(InterpolateRequest(picks=(A, B, A), count=3)))
    assert there_and_back.measures[ANGLE] == pytest.approx(2 * last.measures[ANGLE])


def test_the_sum_is_that_of_the_library(tiny: Generator) -> None:
    np.testing.assert_array_equal(result_of(demos.run(REQUESTS["arithmetic"])), combine(tiny, A, B, C))


def test_a_walk_without_picks_goes_through_pictures_of_a_seed(tiny: Generator) -> None:
    request = WalkRequest(config=WalkConfig(seconds=2, fps=10, stops=3, enlarge=1), source=Pick(seed=7, truncation=0.5))
    first = generate(tiny, latents(3, 5, seed=7, truncation=0.5))
    steps = list(demos.run(request))
    assert request.generator == "dcgan_anime" and len(steps) == 2
    assert steps[0].preview is not None and steps[0].preview.shape == first[0].shape
    same = WalkRequest(config=request.config, picks=tuple(Pick(seed=7, index=i, truncation=0.5) for i in range(3)))
    with Video(result_of(demos.run(same))) as one, Video(steps[-1].result) as other:
        pairs = list(zip(one.frames(), other.frames(), strict=True))
    # Sums of float32 can differ in their last bit from run to run, so a pixel may be a grey level off.
    assert len(pairs) == 20 and max(np.abs(a.astype(int) - b).max() for a, b in pairs) < 12
    assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]) < 0.5


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (WalkRequest(picks=(A,)), "A walk needs two picks or more, or none"),
        (WalkRequest(picks=(A, A)), "pick two different ones"),
        (WalkRequest(picks=(A, Pick(generator="dcgan_fashion"))), "The picks come from different generators"),
        (InterpolateRequest(picks=(A, A), count=4), "There is no way from a picture to itself"),
        (
            InterpolateRequest(picks=(A, B), count=1),
            "The count includes both ends, so it is at least 2; 1 was asked for",
        ),
        (ArithmeticRequest(a=A, b=B, c=Pick(generator="dcgan_fashion")), "The picks come from different generators"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_words(request_: Request, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        list(demos.run(request_))
