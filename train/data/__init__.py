"""Data sets: picture files, splits, HDF5, augmentation, downloads."""
