"""One recipe per file; a new one is a file here and a name in `RECIPES`."""

from train.publishing.recipe import Recipe
from train.recipes import (
    bccd_detector,
    cats_dogs_features,
    cats_dogs_finetune,
    cifar10,
    dcgan,
    dcgan_cars,
    dcgan_fashion,
    face_detector,
    instant_style,
    lenet,
    minigooglenet,
    objects_detector,
    srcnn,
    srcnn_915,
    srcnn_935,
    srcnn_fast,
    tiny_imagenet,
    tiny_imagenet_features,
    tiny_imagenet_finetune,
)

_RECIPES = (
    lenet.RECIPE,
    cifar10.RECIPE,
    minigooglenet.RECIPE,
    cats_dogs_features.RECIPE,
    cats_dogs_finetune.RECIPE,
    tiny_imagenet_features.RECIPE,
    tiny_imagenet_finetune.RECIPE,
    tiny_imagenet.RECIPE,
    srcnn.RECIPE,
    srcnn_915.RECIPE,
    srcnn_935.RECIPE,
    srcnn_fast.RECIPE,
    dcgan.RECIPE,
    dcgan_fashion.RECIPE,
    dcgan_cars.RECIPE,
    objects_detector.RECIPE,
    face_detector.RECIPE,
    bccd_detector.RECIPE,
    instant_style.RECIPE,
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}
if len(RECIPES) < len(_RECIPES):
    raise ValueError(f"two recipes have the same name: {[recipe.name for recipe in _RECIPES]}")
