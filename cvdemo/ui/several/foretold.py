"""What several pictures will take where none of their kind was done yet: as single ones did, or other work.

The sizes of the pictures are those in the headers of their files. Single pictures, or else whatever has run, tell of
the requests for them; the speed of one thread tells of reading them and packing their results. What has to be loaded
is told once, for the first of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cvdemo.backends.durations import Durations
from cvdemo.demo import Request
from cvdemo.images import ImageArray


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """The requests for all pictures of a job, and what is done beside them.

    Attributes:
        durations: of what has run.
        requests: as those for the pictures will be, but for the pixels; none where nothing can be foretold.
        before_s, after_s: seconds of the reference machine for reading each picture, and for what is done with its
            result; see `Durations.beside_s`.
    """

    durations: Durations = field(default_factory=Durations)
    requests: Sequence[Request] = ()
    before_s: Sequence[float] = ()
    after_s: Sequence[float] = ()

    def loading_s(self, index: int) -> float:
        """Seconds that the request for a picture takes to load what it is the first to need."""
        return self.durations.loading_s(self.requests[index : index + 1])

    def work_s(self, start: int, stop: int | None = None) -> float | None:
        """Seconds for some pictures, read and worked on, where everything is loaded; None where nothing is known."""
        told = [self.durations.work_s(request) for request in self.requests[start:stop]]
        before_s = self.durations.beside_s(sum(self.before_s[start:stop]))
        known = [each for each in (*told, before_s) if each is not None]
        return sum(known) if told and len(known) == len(told) + 1 else None

    def rest_s(self, done: int, part: float = 0.0) -> float | None:
        """Seconds until the end of a job; None where nothing is known.

        Args:
            done: pictures that are over. part: of the work on the next one, from 0 to 1; it has loaded what it needs.
        """
        work_s, next_s = self.work_s(done), self.work_s(done, done + 1)
        after_s = self.durations.beside_s(sum(self.after_s[done:]))
        if work_s is None or next_s is None or after_s is None:
            return None
        loading_s = 0.0 if part else self.durations.loading_s(self.requests[done:])
        return loading_s + work_s - part * next_s + after_s


def blank(megapixels: float) -> ImageArray:
    """A picture of so many pixels, uint8 (1, W, 3), that takes no memory: it stands for one that is not read yet."""
    return np.broadcast_to(np.zeros(1, np.uint8), (1, max(1, round(1e6 * megapixels)), 3))
