"""Network definitions, one family per file, shared by the demos and by training."""
