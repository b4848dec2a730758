"""Detection: a window slid over an image pyramid, the boxes that are kept, and their drawing.

candidates      what is found before anything is thresholded, and how finely a picture is searched
sliding_window  a classifier as a detector
place_detector  a network that answers at places as a detector: few levels, large ones in tiles
opencv_baselines  OpenCV's Haar cascade and HOG people detector, to compare
detector        what a detector is, and the table of them
selection       score threshold and non-maximum suppression, with their defaults
exports         rows, CSV, COCO JSON and counts of what was found
drawing         boxes with their names: colours, lines, font
score_maps      the score map and the pyramid of windows
motion          the windows in motion, as a film
tracks          boxes that stay steady from frame to frame
video           the objects of a video
run             the one way to run it
"""
