"""The Detect tab.

tab       the choice of detectors, the four ways, and the endpoint
picture   one picture, with live sliders and views
batch     several pictures, or a folder
camera    the visitor's camera
video     a short video
motion    the windows in motion, as a film
controls  what all ways share: the detector, its own sliders, which setting acts when
results   status, table, files
examples  pictures with their boxes already drawn
"""
