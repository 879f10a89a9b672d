"""When things happen: pure functions of the frame count, so that a resumed run needs no clock state."""


def ticks(before: int, after: int, every: int, start: int = 0) -> int:
    """How many multiples of `every` (frames, counted from `start`) lie in (before, after]."""
    return max(0, after - start) // every - max(0, before - start) // every


class Constant:
    """A schedule that stays at its value."""

    def __init__(self, value: float):
        self.value = value

    def __call__(self, frame: int) -> float:
        return self.value


class Line:
    """A schedule by `linear`."""

    def __init__(self, start: float, end: float, start_frames: int, end_frames: int):
        self.points = start, end, start_frames, end_frames

    def __call__(self, frame: int) -> float:
        return linear(frame, *self.points)


def linear(frame: int, start: float, end: float, first_frame: int, last_frame: int) -> float:
    """`start` until first_frame, `end` from last_frame on, a straight line in between."""
    if frame >= last_frame:
        return end
    if frame <= first_frame:
        return start
    return start + (end - start) * (frame - first_frame) / (last_frame - first_frame)
