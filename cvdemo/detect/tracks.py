"""Boxes that stay steady from frame to frame: a short tracker by overlap.

A box of one frame goes on with the box of its class that it overlaps most in the next (A. Bewley et al., "Simple Online
and Realtime Tracking", ICIP 2016, without its Kalman filter). Weak boxes may go on with what is there but begin nothing
(Y. Zhang et al., "ByteTrack", ECCV 2022). Boxes and scores are smoothed, and one that is missed for a moment stays.
"""

from dataclasses import dataclass, replace

import numpy as np

from cvdemo.detect.selection import Detections
from cvdemo.ops.boxes import FloatArray, iou_matrix

LEAST_IOU = 0.3  # as in SORT
NEW_SHARE = 0.6  # of the new box in the smoothed one, its score likewise
KEPT_FRAMES = 3  # that a box stays while nothing is found: a fifth of a second
SHOWN_AFTER = 2  # frames in which a new thing is found before it is shown, with misses between; the first shows all
WEAK_SHARE = 0.6  # of the score threshold: what a box needs to go on with one that is there


@dataclass
class Track:
    """One thing through several frames.

    Attributes:
        label, class_index: what it is. xyxy: (4,) smoothed, px. score: smoothed.
        found: in how many frames. missed: in how many frames since then. shown: whether it is sure enough.
    """

    label: str
    class_index: int
    xyxy: FloatArray
    score: float
    found: int = 1
    missed: int = 0
    shown: bool = False

    def goes_on(self, xyxy: FloatArray, score: float) -> None:
        """Takes in its box of the next frame."""
        self.xyxy = NEW_SHARE * xyxy + (1 - NEW_SHARE) * self.xyxy
        self.score = NEW_SHARE * score + (1 - NEW_SHARE) * self.score
        self.found, self.missed = self.found + 1, 0


class Tracker:
    """Follows the detections of successive frames of one size.

    Args:
        threshold: score that a new thing needs; boxes are to be given from `weak` on.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold, self.weak = threshold, WEAK_SHARE * threshold
        self.tracks: list[Track] = []
        self._frames = 0

    def follow(self, found: Detections) -> Detections:
        """The steady boxes of the next frame, best score first, from what was found in it."""
        free = self._matched(found)
        self.tracks = [track for track in self.tracks if track.missed <= KEPT_FRAMES]
        for i in sorted(free):
            if found.scores[i] >= self.threshold:
                track = Track(found.labels[i], int(found.classes[i]), found.xyxy[i], float(found.scores[i]))
                self.tracks.append(track)
        self._frames += 1
        for track in self.tracks:
            track.shown |= track.found >= min(SHOWN_AFTER, self._frames)
        return _detections([track for track in self.tracks if track.shown], found)

    def _matched(self, found: Detections) -> set[int]:
        """Goes on with the tracks, best overlaps first; returns the indices of the boxes that are left."""
        old = np.array([track.xyxy for track in self.tracks], np.float32).reshape(-1, 4)
        same = np.array([track.class_index for track in self.tracks])[:, None] == found.classes[None, :]
        overlaps = np.where(same, iou_matrix(old, found.xyxy), 0) if len(old) else np.zeros((0, len(found.scores)))
        free_tracks, free = set(range(len(old))), set(range(len(found.scores)))
        for flat in np.argsort(-overlaps, axis=None, kind="stable"):
            at, box = divmod(int(flat), len(found.scores))
            if overlaps[at, box] < LEAST_IOU:
                break
            if at in free_tracks and box in free:
                self.tracks[at].goes_on(found.xyxy[box], float(found.scores[box]))
                free_tracks.discard(at)
                free.discard(box)
        for at in free_tracks:
            self.tracks[at].missed += 1
        return free


def _detections(tracks: list[Track], like: Detections) -> Detections:
    tracks = sorted(tracks, key=lambda track: -track.score)
    return replace(
        like,
        xyxy=np.array([track.xyxy for track in tracks], np.float32).reshape(-1, 4),
        scores=np.array([track.score for track in tracks], np.float32),
        labels=[track.label for track in tracks],
        classes=np.array([track.class_index for track in tracks], np.int64),
    )
