"""One recipe per file; a new one is a file here and a name in `RECIPES`."""

from train.recipe import Recipe
from train.recipes import dcgan, srcnn

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (srcnn.RECIPE, dcgan.RECIPE)}
