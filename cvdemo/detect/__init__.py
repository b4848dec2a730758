"""Detection: a window slid over an image pyramid, the boxes that are kept, and their drawing.

candidates      what is found before anything is thresholded, and how finely a picture is searched
sliding_window  a classifier as a detector
detector        what a detector is, and the table of them
selection       score threshold and non-maximum suppression, with their defaults
drawing         boxes with their names: colours, lines, font
score_maps      the score map and the pyramid of windows
run             the one way to run it
"""
