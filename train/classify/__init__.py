"""What the recipes of classifiers share."""
