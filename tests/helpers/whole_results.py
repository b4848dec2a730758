"""Results of networks that a test has made, where a demo's request names one of the manifest."""

from collections.abc import Sequence

from cvdemo.classify.adversarial import FoolConfig, Fooled, fool_steps
from cvdemo.classify.classifier import Classifier, Prediction, classify_pixels, prepare
from cvdemo.classify.explain import ExplainConfig, Explanation, crop_of, explain_steps
from cvdemo.demo import result_of
from cvdemo.images import ImageArray
from cvdemo.nets.dcgan import Generator
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import Pick, SampleConfig, generate, latents_between, sample_latents, stops_of


def classify(image: ImageArray, classifier: Classifier, *, ten_crop: bool = False, k: int = 5) -> Prediction:
    """The k best classes of a picture."""
    pixels = prepare(image, classifier.preprocessing, classifier.device)
    return classify_pixels(pixels, classifier, ten_crop=ten_crop, k=k)


def explain(
    image: ImageArray,
    classifier: Classifier,
    class_index: int | None,
    config: ExplainConfig,
    deadline: Deadline | None = None,
) -> Explanation:
    """What `explain_steps` end in."""
    return result_of(explain_steps(crop_of(image, classifier), classifier, config, class_index, deadline))


def fool(
    image: ImageArray,
    classifier: Classifier,
    config: FoolConfig | None = None,
    *,
    target: int | None = None,
    deadline: Deadline | None = None,
) -> Fooled:
    """What `fool_steps` end in."""
    return result_of(fool_steps(image, classifier, config, target=target, deadline=deadline))


def sample(generator: Generator, config: SampleConfig) -> list[ImageArray]:
    """The pictures of a seed."""
    return generate(generator, sample_latents(config, generator.latent_dim))


def interpolate(generator: Generator, picks: Sequence[Pick], count: int) -> list[ImageArray]:
    """The pictures on the way from pick to pick."""
    return generate(generator, latents_between(stops_of(picks, generator.latent_dim), count))
