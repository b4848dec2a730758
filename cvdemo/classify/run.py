"""One way to run what the Classify demo does, by its requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cvdemo.classify.classifier import ClassifyConfig, Prediction, classify, load_classifier
from cvdemo.demo import Request, Step
from cvdemo.images import ImageArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifyRequest(Request):
    """The five best classes of a picture, uint8 (H, W, 3) RGB."""

    image: ImageArray
    config: ClassifyConfig = field(default_factory=ClassifyConfig)


def run_classify(request: ClassifyRequest) -> Iterator[Step[Prediction]]:
    """One step: the answer."""
    classifier = load_classifier(request.config.model, request.device)
    yield Step(done=1, total=1, result=classify(request.image, classifier, ten_crop=request.config.ten_crop))
