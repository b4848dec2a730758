"""Several pictures at once, for every tab that offers it: which pictures, one after the other, the time, the ZIP."""
