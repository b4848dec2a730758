"""From a run to a weight: recipes, what a weight came from, its card and manifest entry."""
