"""Why a classifier answered as it did: which pixels the answer hangs on, and which parts spoke for a class.

Saliency is the gradient of a class's logit with respect to the pixels, its absolute value, the maximum over channels:
K. Simonyan et al., "Deep Inside Convolutional Networks", ICLR Workshop 2014, section 3.1. Averaged over noisy copies it
becomes SmoothGrad: D. Smilkov et al., 2017; values above a high percentile are capped, as there. Grad-CAM: R. Selvaraju
et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017, on the last
convolution. An ensemble is explained by the mean of its members: of their logits, and of their Grad-CAM maps.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.classify.classifier import CHOICES, Classifier, Member, prepare
from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.images import ImageArray, center_crop, normalise, to_image
from cvdemo.ops.heatmap import CAP_PERCENTILE, HeatMap, blurred, colour_map, overlay_heatmap, repeat_pixels
from cvdemo.runtime import Deadline

METHODS = {"grad_cam": "Where it looked (Grad-CAM)", "saliency": "Which pixels count (saliency)"}
BATCH = 8  # noisy copies at a time: bounds memory


@dataclass(frozen=True, kw_only=True)
class ExplainConfig(Config):
    """How an answer is explained."""

    model: str = setting("imagenet", "Network", choices=tuple(CHOICES), help="What the picture may be called.")
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
    """

    crop: ImageArray
    heat: HeatMap
    method: str

    def picture(self) -> ImageArray:
        """Grad-CAM over the crop, or the saliency map, a little blurred, in bright colours; small ones enlarged."""
        if self.method == "grad_cam":
            return overlay_heatmap(repeat_pixels(self.crop), repeat_pixels(self.heat))
        return colour_map(repeat_pixels(blurred(self.heat)), cv2.COLORMAP_INFERNO)


def crop_of(image: ImageArray, classifier: Classifier) -> Tensor:
    """(1, C, input_px, input_px) in [0, 1]: the centre crop that the classifier sees."""
    preprocessing = classifier.preprocessing
    return center_crop(prepare(image, preprocessing, classifier.device), preprocessing.input_px)


def explain(
    image: ImageArray,
    classifier: Classifier,
    class_index: int,
    config: ExplainConfig,
    deadline: Deadline | None = None,
) -> Explanation:
    """The explanation of one class by the method of `config`; its `model` and `class_name` are the caller's concern."""
    crop = crop_of(image, classifier)
    if config.method == "grad_cam":
        heat = grad_cam(crop, classifier, class_index)
    else:
        heat = saliency(crop, classifier, class_index, config, deadline)
    return Explanation(to_image(crop), heat, config.method)


def pixel_gradient(crops: Tensor, classifier: Classifier, class_index: int) -> Tensor:
    """Gradient of the class's logit (mean over members) with respect to pixels in [0, 1], the shape of `crops`."""
    with torch.enable_grad():
        pixels = crops.detach().requires_grad_()
        logit = classifier.logits(pixels)[..., class_index].mean(dim=0)  # (B,)
        (gradient,) = torch.autograd.grad(logit.sum(), pixels)
    return gradient


def smooth_gradient(
    crop: Tensor,
    classifier: Classifier,
    class_index: int,
    config: ExplainConfig,
    deadline: Deadline | None = None,
) -> Tensor:
    """SmoothGrad, (1, C, h, w): the mean of `pixel_gradient` over noisy copies; of the crop itself if there is one.

    When the deadline comes, the copies so far are averaged.
    """
    if config.samples == 1:
        return pixel_gradient(crop, classifier, class_index)
    generator = torch.Generator().manual_seed(config.seed)
    deviation = config.noise * (crop.max() - crop.min())
    total = torch.zeros_like(crop)
    for start in range(0, config.samples, BATCH):
        copies = min(BATCH, config.samples - start)
        noise = torch.randn(copies, *crop.shape[1:], generator=generator).to(crop.device)
        total += pixel_gradient(crop + deviation * noise, classifier, class_index).sum(dim=0, keepdim=True)
        if deadline is not None and deadline.expired:
            return total / (start + copies)
    return total / config.samples


def saliency(
    crop: Tensor,
    classifier: Classifier,
    class_index: int,
    config: ExplainConfig,
    deadline: Deadline | None = None,
) -> HeatMap:
    """How much the class's logit hangs on each pixel of a crop (1, C, h, w): (h, w) in [0, 1], 1 at the cap."""
    strength = smooth_gradient(crop, classifier, class_index, config, deadline).abs().amax(dim=1)[0].cpu().numpy()
    cap = np.percentile(strength, CAP_PERCENTILE)
    heat: HeatMap = np.clip(strength / cap, 0, 1).astype(np.float32) if cap > 0 else np.zeros_like(strength)
    return heat


def grad_cam(crop: Tensor, classifier: Classifier, class_index: int) -> HeatMap:
    """How much each part of a crop (1, C, h, w) spoke for the class: (h, w) in [0, 1], its maximum 1.

    Equations 1 and 2 of the paper: activations of the last convolution, weighted by the mean gradient of the logit,
    summed over channels, negative parts dropped; then enlarged bicubically. The mean of the members' maps.
    """
    maps = [_member_cam(crop, member, class_index) for member in classifier.members]
    heat = _peak_one(torch.stack(maps).mean(dim=0))
    return heat.cpu().numpy().astype(np.float32)


def _member_cam(crop: Tensor, member: Member, class_index: int) -> Tensor:
    with torch.enable_grad():
        activations = member.network.maps(normalise(crop, member.preprocessing).requires_grad_())  # (1, C, h, w)
        logit = member.network.logits(activations)[0, class_index]
        (gradient,) = torch.autograd.grad(logit, activations)
    cam = (gradient.mean(dim=(2, 3), keepdim=True) * activations.detach()).sum(dim=1, keepdim=True).relu()
    size_hw = (crop.shape[-2], crop.shape[-1])
    return _peak_one(F.interpolate(cam, size_hw, mode="bicubic", align_corners=False).clamp(min=0)[0, 0])


def _peak_one(heat: Tensor) -> Tensor:
    peak = heat.max()
    return heat / peak if peak > 0 else heat
