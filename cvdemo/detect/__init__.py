"""Detection: a window slid over an image pyramid, the boxes that are kept, and their drawing."""
