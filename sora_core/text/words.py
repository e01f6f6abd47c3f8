"""The vocabulary of the bundled world, as plain data.

Every table maps a canonical key (what a scene stores) to the words people use for it; the canonical wording comes first.
"""

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.09, 0.09),
    "green": (0.08, 0.60, 0.14),
    "blue": (0.10, 0.24, 0.90),
    "yellow": (0.97, 0.83, 0.08),
    "purple": (0.50, 0.12, 0.70),
    "orange": (0.98, 0.45, 0.03),
    "white": (0.93, 0.93, 0.93),
    "black": (0.06, 0.06, 0.07),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "yellow": ("yellow", "golden"),
    "purple": ("purple", "violet"),
    "orange": ("orange", "tangerine"),
    "white": ("white", "pale"),
    "black": ("black", "jet"),
}
SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "sphere", "orb"),
    "cube": ("cube", "box", "block"),
    "cylinder": ("cylinder", "can", "drum"),
    "cone": ("cone", "spike"),
    "ring": ("ring", "hoop", "torus"),
}
PLURALS: dict[str, str] = {
    "ball": "balls", "sphere": "spheres", "orb": "orbs", "cube": "cubes", "box": "boxes", "block": "blocks", "cylinder": "cylinders",
    "can": "cans", "drum": "drums", "cone": "cones", "spike": "spikes", "ring": "rings", "hoop": "hoops", "torus": "toruses",
}  # fmt: skip
COUNT_WORDS: dict[int, str] = {1: "one", 2: "two", 3: "three", 4: "four"}
SIZE_WORDS: dict[str, tuple[str, ...]] = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}

# A verb stands in braces and is inflected by number and form;
# `{go}` is roll or slide, by shape. `<other>`, `<side>` and `<paint>` are filled in.
MOTION_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("{go} to the left", "{go} left", "{move} to the left", "{go} from right to left"),
    "right": ("{go} to the right", "{go} right", "{move} to the right", "{go} from left to right"),
    "closer": ("{come} closer", "{go} toward the camera", "{go} closer", "{approach} the camera"),
    "away": ("{move} away", "{go} away from the camera", "{go} away", "{move} into the distance"),
    "bounce": ("{bounce} up and down", "{bounce}", "{jump} up and down", "{hop} up and down"),
    "spin": ("{spin} in place", "{spin} around", "{turn} in place", "{rotate} in place"),
    "fall": ("{fall} from above", "{drop} from the sky", "{fall} down", "{drop} down"),
    "still": ("{stand} still", "{rest}", "{stay} in place", "{stand} motionless"),
    "orbit": ("{circle} around <other>", "{orbit} around <other>", "{move} in circles around <other>"),
    "collide": ("{go} into <other> and {push} it away", "{hit} <other>", "{bump} into <other>"),
    "behind": ("{go} to the <side> behind a gray wall and {come} out again", "{pass} behind a wall to the <side>",
        "{vanish} behind a wall and {return} on the <side>"),
    "return": ("{leave} the picture on the <side> and {return}", "{leave} the frame on the <side> and {come} back"),
    "paint": ("{go} to the <side> and {paint} a <paint> stroke on the ground", "{paint} a <paint> stroke and {move} to the <side>"),
    "bite": ("{stand} still and a bite is taken out of it", "{rest} until a bite is taken out of it"),
}  # fmt: skip
SINGLE_MOTIONS: tuple[str, ...] = ("left", "right", "closer", "away", "bounce", "spin", "fall", "still")

GROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "grass": ("on grass", "on a green lawn", "on a meadow"),
    "sand": ("on sand", "on a sandy beach", "in the desert"),
    "snow": ("on snow", "on a snowy field", "in the snow"),
    "wood": ("on wood", "on a wooden floor", "on wooden planks"),
    "water": ("on water", "on a calm lake", "on the sea"),
    "rainbow": ("on a rainbow road", "on a road of rainbow colours", "on a rainbow path"),
}
LIGHT_PHRASES: dict[str, tuple[str, ...]] = {
    "noon": ("at noon", "in bright daylight", "under a blue sky"),
    "sunset": ("at sunset", "in the warm evening light", "at dusk"),
    "night": ("at night", "in the moonlight", "under a starry sky"),
    "fog": ("in fog", "in thick mist", "on a foggy day"),
    "underwater": ("under water", "deep under the sea", "below the waves"),
}
CAMERA_PHRASES: dict[str, tuple[str, ...]] = {
    "static": ("the camera is static", "the camera does not move", "static camera"),
    "pan left": ("the camera pans left", "the camera turns to the left"),
    "pan right": ("the camera pans right", "the camera turns to the right"),
    "tilt up": ("the camera tilts up", "the camera looks up slowly"),
    "tilt down": ("the camera tilts down", "the camera looks down slowly"),
    "orbit": ("the camera orbits the scene", "the camera circles around"),
    "dolly in": ("the camera dollies in", "the camera moves forward"),
    "dolly out": ("the camera dollies out", "the camera moves back"),
    "zoom in": ("the camera zooms in",),
    "follow": ("the camera follows it", "the camera tracks along with it"),
}
STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "natural": ("natural style", "realistic style", "natural look"),
    "charcoal": ("charcoal drawing in black and white", "black and white charcoal sketch"),
    "pixel": ("pixel art", "pixel art style"),
    "clay": ("clay animation", "made of clay"),
    "neon": ("neon style", "glowing neon lights"),
}
SHOT_PHRASES: dict[str, tuple[str, ...]] = {
    "close": ("close view", "seen from close by"),
    "above": ("seen from above", "view from above"),
    "far": ("seen from far away", "wide view"),
}
