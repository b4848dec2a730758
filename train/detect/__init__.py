"""What the recipes of detectors share: annotations, task, measures."""
