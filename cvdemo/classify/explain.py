"""Why a classifier answered as it did: which pixels the answer hangs on, and which parts spoke for a class.

Saliency is the gradient of a class's logit with respect to the pixels, its absolute value, the maximum over channels:
K. Simonyan et al., "Deep Inside Convolutional Networks", ICLR Workshop 2014, section 3.1. Averaged over noisy copies it
becomes SmoothGrad: D. Smilkov et al., 2017; values above a high percentile are capped, as there. Grad-CAM: R. Selvaraju
et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017, on the last
convolution. An ensemble is explained by the mean of its members: of their logits, and of their Grad-CAM maps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.classify.classifier import NETWORKS, Classifier, prepare
from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.demo import Step, seconds_left
from cvdemo.images import ImageArray, center_crop, normalise, to_image
from cvdemo.ops.heatmap import CAP_PERCENTILE, HeatMap, blurred, colour_map, overlay_heatmap, repeat_pixels
from cvdemo.runtime import Deadline

METHODS = {"grad_cam": "Where it looked", "saliency": "Which pixels count"}
BATCH = 8  # noisy copies at a time: bounds memory


@dataclass(frozen=True, kw_only=True)
class ExplainConfig(Config):
    """How an answer is explained."""

    model: str = setting("imagenet", "Network", choices=tuple(NETWORKS), help="What the picture may be called.")
    class_name: str = setting("", "Class", help="What is to be explained; empty: the best class.")
    method: str = setting("grad_cam", "Explain", choices=tuple(METHODS), help="A heat map of parts, or of pixels.")
    samples: int = setting(
        16, "Noisy copies", minimum=1, maximum=64, step=1, help="The saliency of these is averaged; 1 adds no noise."
    )
    noise: float = setting(
        0.15, "Noise", minimum=0.0, maximum=0.5, step=0.01, help="Standard deviation, as a share of the pixels' range."
    )
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1)


@dataclass(frozen=True)
class Explanation:
    """What a network saw and what counted.

    Attributes:
        crop: uint8 (input_px, input_px, 3), in grey for grey networks.
        heat: float32 (input_px, input_px) in [0, 1].
        method: of `METHODS`.
        class_index: the class that is explained.
    """

    crop: ImageArray
    heat: HeatMap
    method: str
    class_index: int

    def picture(self) -> ImageArray:
        """Grad-CAM over the crop, or the saliency map, a little blurred, in bright colours; small ones enlarged."""
        if self.method == "grad_cam":
            return overlay_heatmap(repeat_pixels(self.crop), repeat_pixels(self.heat))
        return colour_map(repeat_pixels(blurred(self.heat)), cv2.COLORMAP_INFERNO)


def crop_of(image: ImageArray, classifier: Classifier) -> Tensor:
    """(1, C, input_px, input_px) in [0, 1]: the centre crop that the classifier sees."""
    preprocessing = classifier.preprocessing
    return center_crop(prepare(image, preprocessing, classifier.device), preprocessing.input_px)


def explain_steps(
    crop: Tensor,
    classifier: Classifier,
    config: ExplainConfig,
    class_index: int | None = None,
    deadline: Deadline | None = None,
    cam: "GradCam | None" = None,
) -> Iterator[Step[Explanation]]:
    """The explanation of one class by the method of `config`: Grad-CAM in one step, saliency in some noisy copies each.

    When the deadline comes, the copies so far are averaged.

    Args:
        crop: as `crop_of` gives it.
        config: its `model` and `class_name` are the caller's concern.
        class_index: None is the best class of the crop.
        cam: the crop's pass through the network, where the caller has made it already.
    """
    deadline = deadline or Deadline()
    shown = to_image(crop)
    if config.method == "grad_cam":
        cam = cam or GradCam(crop, classifier)
        index = int(cam.probabilities().argmax()) if class_index is None else class_index
        yield Step(done=1, total=1, result=Explanation(shown, cam.heat_map(index), config.method, index))
        return
    index = best_class(crop, classifier) if class_index is None else class_index
    for copies, gradient in smooth_gradient_steps(crop, classifier, index, config):
        explanation = Explanation(shown, saliency_of(gradient), config.method, index)
        ended = copies == config.samples
        left_s = seconds_left(deadline, copies, config.samples)
        if ended or deadline.expired:
            yield Step(done=copies, total=config.samples, seconds_left=0, result=explanation, complete=ended)
            return
        yield Step(done=copies, total=config.samples, seconds_left=left_s, partial=explanation)


@torch.inference_mode()
def best_class(crop: Tensor, classifier: Classifier) -> int:
    """The class of the network's answer to a crop (1, C, h, w)."""
    return int(classifier.probabilities(crop)[0].argmax())


def pixel_gradient(crops: Tensor, classifier: Classifier, class_index: int) -> Tensor:
    """Gradient of the class's logit (mean over members) with respect to pixels in [0, 1], the shape of `crops`."""
    with torch.enable_grad():
        pixels = crops.detach().requires_grad_()
        logit = classifier.logits(pixels)[..., class_index].mean(dim=0)  # (B,)
        (gradient,) = torch.autograd.grad(logit.sum(), pixels)
    return gradient


def smooth_gradient_steps(
    crop: Tensor, classifier: Classifier, class_index: int, config: ExplainConfig
) -> Iterator[tuple[int, Tensor]]:
    """SmoothGrad on its way: the number of noisy copies so far, and the mean of their `pixel_gradient`, (1, C, h, w).

    Of the crop itself if there is one copy.
    """
    if config.samples == 1:
        yield 1, pixel_gradient(crop, classifier, class_index)
        return
    generator = torch.Generator().manual_seed(config.seed)
    deviation = config.noise * (crop.max() - crop.min())
    total = torch.zeros_like(crop)
    for start in range(0, config.samples, BATCH):
        copies = min(BATCH, config.samples - start)
        noise = torch.randn(copies, *crop.shape[1:], generator=generator).to(crop.device)
        total += pixel_gradient(crop + deviation * noise, classifier, class_index).sum(dim=0, keepdim=True)
        yield start + copies, total / (start + copies)


def saliency_of(gradient: Tensor) -> HeatMap:
    """How much the logit hangs on each pixel, from its gradient (1, C, h, w): (h, w) in [0, 1], 1 at the cap."""
    strength = gradient.abs().amax(dim=1)[0].cpu().numpy()
    cap = np.percentile(strength, CAP_PERCENTILE)
    heat: HeatMap = np.clip(strength / cap, 0, 1).astype(np.float32) if cap > 0 else np.zeros_like(strength)
    return heat


class GradCam:
    """One pass of a crop (1, C, h, w) through each member, with what Grad-CAM needs of it and what classifies."""

    def __init__(self, crop: Tensor, classifier: Classifier) -> None:
        self.size_hw = (crop.shape[-2], crop.shape[-1])
        with torch.enable_grad():
            self.maps = [
                member.network.maps(normalise(crop, member.preprocessing).requires_grad_())  # (1, C, h, w)
                for member in classifier.members
            ]
            pairs = zip(classifier.members, self.maps, strict=True)
            self.logits = [member.network.logits(maps)[0] for member, maps in pairs]  # (num_classes,)

    def probabilities(self) -> Tensor:
        """(num_classes,): the answer, as `Classifier.probabilities` gives it."""
        return torch.stack([logits.detach().softmax(dim=0) for logits in self.logits]).mean(dim=0)

    def heat_map(self, class_index: int) -> HeatMap:
        """How much each part of the crop spoke for the class: (h, w) in [0, 1], its maximum 1. To be called once.

        Equations 1 and 2 of the paper: activations of the last convolution, weighted by the mean gradient of the
        logit, summed over channels, negative parts dropped; then enlarged bicubically. The mean of the members' maps.
        """
        pairs = zip(self.maps, self.logits, strict=True)
        heat = _peak_one(
            torch.stack([self._member_cam(maps, logits[class_index]) for maps, logits in pairs]).mean(dim=0)
        )
        return heat.cpu().numpy().astype(np.float32)

    def _member_cam(self, maps: Tensor, logit: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(logit, maps)
        cam = (gradient.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(dim=1, keepdim=True).relu()
        return _peak_one(F.interpolate(cam, self.size_hw, mode="bicubic", align_corners=False).clamp(min=0)[0, 0])


def _peak_one(heat: Tensor) -> Tensor:
    peak = heat.max()
    return heat / peak if peak > 0 else heat
