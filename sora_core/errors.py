"""What can go wrong, as one tree.

SoraError                   everything a user can mend; its message names what was given and what would do
 ├─ InputError              a value, size, name or prompt that cannot be used
 ├─ CheckpointError         a weights file that is truncated, foreign, pickled or of another family
 ├─ MediaError              a video or image file that cannot be read or written
 ├─ ResourceError           not enough memory, disk or permission for what was asked
 └─ Cancelled               the user asked to stop; carries no fault
"""

__all__ = ["Cancelled", "CheckpointError", "InputError", "MediaError", "ResourceError", "SoraError", "frame_count"]


class SoraError(Exception):
    """A mistake that the user can mend. The message is one or two plain sentences."""


class InputError(SoraError):
    """A value, size, name or prompt that cannot be used."""


class CheckpointError(SoraError):
    """A weights file that cannot be used."""


class MediaError(SoraError):
    """A video or image file that cannot be read or written."""


class ResourceError(SoraError):
    """Not enough memory, disk or permission for what was asked; raised before work begins."""


class Cancelled(SoraError):
    """The user asked to stop."""


def frame_count(frames: int) -> str:
    """A number of frames in words: "1 frame", "9 frames"."""
    return "1 frame" if frames == 1 else f"{frames:,} frames"
