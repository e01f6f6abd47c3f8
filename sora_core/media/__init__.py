"""Videos and pictures in and out, streamed; what was asked for travels inside the file.

Pixels have three layouts, turned into each other in `convert` alone:

    frames  uint8 [F,H,W,3] 0..255      files
    video   float [B,C,F,H,W] -1..1     the core
    image   float [F,H,W,C] 0..1        ComfyUI's IMAGE
"""

from ..files import check_writable
from .convert import frames_to_video, image_to_video, video_to_frames, video_to_image
from .encode import encode_video
from .images import Pictures, read_image, read_pictures, write_image
from .kinds import is_picture
from .metadata import read_metadata
from .publish import Guards, publish
from .read import MediaInfo, Video, iter_frames, probe, read_video
from .segments import Segmented, room_for, segment_frames
from .sheet import contact_sheet
from .sound import Sound, SoundFile, read_sound
from .source import FileSource, FrameSource, TensorSource, as_image, chunks
from .splice import Piece, Splice
from .write import VideoWriter, check_output, estimated_bytes, evened, write_video

__all__ = [
    "FileSource",
    "FrameSource",
    "Guards",
    "MediaInfo",
    "Pictures",
    "Piece",
    "Segmented",
    "Sound",
    "SoundFile",
    "Splice",
    "TensorSource",
    "Video",
    "VideoWriter",
    "as_image",
    "check_output",
    "check_writable",
    "chunks",
    "contact_sheet",
    "encode_video",
    "estimated_bytes",
    "evened",
    "frames_to_video",
    "image_to_video",
    "is_picture",
    "iter_frames",
    "probe",
    "publish",
    "read_image",
    "read_metadata",
    "read_pictures",
    "read_sound",
    "read_video",
    "room_for",
    "segment_frames",
    "video_to_frames",
    "video_to_image",
    "write_image",
    "write_video",
]
