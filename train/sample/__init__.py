"""What the recipes of generators share."""
