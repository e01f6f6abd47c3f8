"""What a scene is: small frozen records, everything else (picture, caption, truth) is a function of them.

World units are about metres; x right, y up, z toward the viewer, the ground at y = 0. Time is in seconds from the
scene's start.
"""

from dataclasses import dataclass

FAMILIES: tuple[str, ...] = (
    "single", "things", "camera", "style", "occluder", "marks", "shots", "transition", "loop", "relation",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClipShape:
    """The clip to render from a scene: how many frames, how large, how fast, from which second."""

    frames: int
    height: int
    width: int
    fps: float
    start: float = 0.0

    def __post_init__(self) -> None:
        if min(self.frames, self.height, self.width) < 1 or self.fps <= 0 or self.start < 0:
            raise ValueError(
                f"a clip needs positive frames, height, width and fps and a start of at least 0, got {self}"
            )


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object: what it is and how it moves; `x`, `z` are where it is in the middle of the scene's window.

    `shape` is a solid or one of nouns.NOUNS, which has no `colour` of its own to choose.
    """

    shape: str
    colour: str
    motion: str
    radius: float = 0.6
    size: str = ""
    """The size word of the caption: small, large or nothing."""
    x: float = 0.0
    z: float = 0.0
    travel: float = 2.0
    """World units covered within the scene's window."""
    phase: float = 0.0
    turn: float = 0.0
    """Initial angle around the vertical."""
    side: str = "left"
    """Direction of motions that have a side (behind, return, paint, collide)."""
    paint: str = ""
    """Colour of the painted stroke (motion paint)."""
    gait: str = ""
    """How a noun goes: a key of motion.GAITS."""
    lift: float = 0.0
    """How high it flies or swims above the ground; below zero it lies in the water."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the camera stands and how it moves; lengths in world units, angles in radians."""

    camera: str = "static"
    shot: str = ""
    """Where from, if that is worth telling: close, above, far or nothing."""
    angle: float = 0.0
    height: float = 1.7
    distance: float = 4.6
    pitch: float = 0.17
    """How far the camera looks down."""
    zoom: float = 0.5
    """Half the picture's height at distance 1."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Ground, light and style."""

    ground: str = "grass"
    light: str = "noon"
    style: str = "natural"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene; `seconds` is the window in which its motions are centred and in view."""

    seed: int
    family: str
    things: tuple[Thing, ...]
    setting: Setting = Setting()
    view: View = View()
    seconds: float = 2.0
    relation: str = ""
    """How the things belong together: same, beside, near, behind, front, around, above, chase, follow, orbit, collide
    or
    nothing."""
    wall: bool = False
    change: float = 0.0
    """Second of the cut, of the middle of the transition, or of the bite."""
    next_view: View | None = None
    """The camera after the cut (shots)."""
    wipe: str = "circle"
    """How a transition spreads: circle, left or right."""
    next_setting: Setting | None = None
    """The setting after the change (transition)."""
