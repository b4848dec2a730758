"""What the recipes of super-resolution networks share."""
