"""One way to run what the Classify demo does, by its requests: the best classes, why, what turns them, what is seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from cvdemo.classify.adversarial import FoolConfig, Fooled, fool_steps
from cvdemo.classify.classifier import (
    Classifier,
    ClassifyConfig,
    Prediction,
    classify_pixels,
    load_classifier,
    prepare,
    top_k,
)
from cvdemo.classify.explain import ExplainConfig, Explanation, GradCam, crop_of, explain_steps
from cvdemo.classify.feature_maps import (
    FeatureMaps,
    FeatureMapsConfig,
    chosen_layer,
    deciding_channels,
    layers_of,
    strongest_channels,
)
from cvdemo.demo import Request, Step
from cvdemo.images import ImageArray, center_crop
from cvdemo.runtime import Deadline


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifyRequest(Request):
    """The five best classes of a picture, uint8 (H, W, 3) RGB.

    Attributes:
        explain: how the best class is explained, of its `method`, `samples`, `noise` and `seed`; None is not at all.
    """

    image: ImageArray
    config: ClassifyConfig = field(default_factory=ClassifyConfig)
    explain: ExplainConfig | None = None


@dataclass(frozen=True)
class ExplainedPrediction(Prediction):
    """The five best classes, and why the best of them is the best."""

    explanation: Explanation


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainRequest(Request):
    """Which pixels or parts of a picture, uint8 (H, W, 3) RGB, speak for a class.

    Attributes:
        class_index: the class; None: the one that `config.class_name` names, and the best where that is empty.
    """

    image: ImageArray
    config: ExplainConfig = field(default_factory=ExplainConfig)
    class_index: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FoolRequest(Request):
    """The smallest change to a picture, uint8 (H, W, 3) RGB, that turns the answer.

    Attributes:
        class_index: what it is turned into; None: what `config.class_name` names, and the nearest where that is empty.
    """

    image: ImageArray
    config: FoolConfig = field(default_factory=FoolConfig)
    class_index: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMapsRequest(Request):
    """What the layers of a network see in a picture, uint8 (H, W, 3) RGB.

    Attributes:
        class_index: as in `ExplainRequest`, where the channels that decide are asked for.
    """

    image: ImageArray
    config: FeatureMapsConfig = field(default_factory=FeatureMapsConfig)
    class_index: int | None = None


def run_classify(request: ClassifyRequest) -> Iterator[Step[Prediction]]:
    """The answer; with `explain`, then the steps of its explanation, and an `ExplainedPrediction` as the result."""
    deadline, config = Deadline(request.time_limit_s), request.config
    classifier = load_classifier(config.model, request.device)
    pixels = prepare(request.image, classifier.preprocessing, classifier.device)
    if request.explain is None:
        yield Step(done=1, total=1, result=classify_pixels(pixels, classifier, ten_crop=config.ten_crop))
        return
    crop = center_crop(pixels, classifier.preprocessing.input_px)
    cam = GradCam(crop, classifier) if request.explain.method == "grad_cam" else None
    if cam is not None and not config.ten_crop:  # it has seen what is to be classified
        prediction = top_k(cam.probabilities(), classifier.labels)
    else:
        prediction = classify_pixels(pixels, classifier, ten_crop=config.ten_crop)
    for step in explain_steps(crop, classifier, request.explain, prediction.classes[0], deadline, cam):
        yield _with_prediction(step, prediction)


def _with_prediction(step: Step[Explanation], prediction: Prediction) -> Step[Prediction]:
    """The step of an explanation as one of the classification that came before it."""

    def explained(explanation: Explanation | None) -> Prediction | None:
        return None if explanation is None else ExplainedPrediction(**vars(prediction), explanation=explanation)

    partial, result = explained(step.partial), explained(step.result)
    return replace(cast(Step[Prediction], step), partial=partial, result=result)


def run_explain(request: ExplainRequest) -> Iterator[Step[Explanation]]:
    """The steps of `explain_steps`.

    Raises:
        InputError: the network has no class of that name.
        ValueError: or of that index.
    """
    deadline = Deadline(request.time_limit_s)
    classifier = load_classifier(request.config.model, request.device)
    index = _class_of(classifier, request.class_index, request.config.class_name)
    yield from explain_steps(crop_of(request.image, classifier), classifier, request.config, index, deadline)


def run_fool(request: FoolRequest) -> Iterator[Step[Fooled]]:
    """The steps of `fool_steps`, with the best change so far as `partial`.

    Raises:
        InputError: the network has no class of that name, the answer is that class already, or it did not turn.
        ValueError: the network has no class of that index.
    """
    deadline = Deadline(request.time_limit_s)
    classifier = load_classifier(request.config.model, request.device)
    target = _class_of(classifier, request.class_index, request.config.class_name)
    yield from fool_steps(request.image, classifier, request.config, target=target, deadline=deadline)


def run_feature_maps(request: FeatureMapsRequest) -> Iterator[Step[FeatureMaps]]:
    """The channels that are asked for, in one step.

    Raises:
        InputError: the network has no layer, or no class, of that name.
        ValueError: or no class of that index.
    """
    config = request.config
    classifier = load_classifier(config.model, request.device)
    crop = crop_of(request.image, classifier)
    if config.show == "answer":
        index = _class_of(classifier, request.class_index, config.class_name)
        found = deciding_channels(crop, classifier, index, config.channels)
    else:
        layer = chosen_layer(config.layer, layers_of(config.model))
        found = strongest_channels(crop, classifier, layer, config.channels)
    yield Step(done=1, total=1, result=found)


def _class_of(classifier: Classifier, class_index: int | None, class_name: str) -> int | None:
    """The class that is named by index, or else by name; None where it is by neither."""
    if class_index is None:
        return classifier.index_of(class_name) if class_name.strip() else None
    if not 0 <= class_index < len(classifier.labels):
        raise ValueError(f"need 0 <= class_index < {len(classifier.labels)}, got {class_index}")
    return class_index
