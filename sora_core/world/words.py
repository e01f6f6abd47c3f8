"""The vocabulary of the bundled world, as plain data.

Every table maps a canonical key (what a scene stores) to the words people use for it; the canonical wording comes
first.
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
    "white": ("white",),
    "black": ("black",),
}
SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "sphere", "orb"),
    "cube": ("cube", "box", "block"),
    "cylinder": ("cylinder", "drum"),
    "cone": ("cone",),
    "ring": ("ring", "hoop", "torus"),
}
PLURALS: dict[str, str] = {
    "ball": "balls", "sphere": "spheres", "orb": "orbs", "cube": "cubes", "box": "boxes", "block": "blocks",
    "cylinder": "cylinders",
    "drum": "drums", "cone": "cones", "ring": "rings", "hoop": "hoops", "torus": "toruses",
}  # fmt: skip
COUNT_WORDS: dict[int, str] = {1: "one", 2: "two", 3: "three", 4: "four"}
SIZE_WORDS: dict[str, tuple[str, ...]] = {"small": ("small", "little"), "large": ("large", "big", "huge")}

# A verb stands in braces and is inflected by number and form; `{go}` is roll or slide, by shape. `<other>`, `<side>`
# and `<paint>` are filled in.
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
    "paint": ("{go} to the <side> and {paint} a <paint> stroke on the ground",
    "{paint} a <paint> stroke and {move} to the <side>"),
    "rise": ("{rise} into the sky", "{take} off", "{rise} up", "{go} up into the air"),
    "chase": ("{chase} <other> to the <side>", "{run} after <other> to the <side>"),
    "follow": ("{follow} <other> to the <side>", "{trail} <other> to the <side>"),
    "bite": ("{stand} still and a bite is taken out of it", "{rest} until a bite is taken out of it"),
}  # fmt: skip
SINGLE_MOTIONS: tuple[str, ...] = ("left", "right", "closer", "away", "bounce", "spin", "fall", "still")

RELATION_PHRASES: dict[str, tuple[str, ...]] = {
    "near": ("next to", "beside", "close to"),
    "behind": ("behind",),
    "front": ("in front of",),
    "above": ("above", "over"),
}

GROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "grass": ("on grass", "on a green lawn", "on a meadow"),
    "sand": ("on sand", "on a sandy beach", "in the desert"),
    "snow": ("on snow", "on a snowy field", "in the snow"),
    "wood": ("on wood", "on a wooden floor", "on wooden planks"),
    "water": ("on water", "on a calm lake", "on the sea"),
    "rainbow": ("on a rainbow road", "on a road of rainbow colours", "on a rainbow path"),
    "road": ("on a mountain road", "on a road in the mountains", "on an asphalt road"),
    "jungle": ("in the jungle", "in a rain forest", "on the jungle floor"),
    "seabed": ("on the sea floor", "on the ocean floor", "at the bottom of the sea"),
    "moon": ("on the moon", "on moon dust", "on the gray ground of the moon"),
}
LIGHT_PHRASES: dict[str, tuple[str, ...]] = {
    "noon": ("at noon", "in bright daylight", "under a blue sky"),
    "sunset": ("at sunset", "in the warm evening light", "at dusk"),
    "night": ("at night", "in the moonlight", "under a starry sky"),
    "fog": ("in fog", "in thick mist", "on a foggy day"),
    "underwater": ("under water", "deep under the sea", "below the waves"),
    "storm": ("in a snow storm", "in a blizzard", "in heavy snowfall"),
    "space": ("in space", "in outer space", "among the stars"),
}
FIRST_GROUNDS: tuple[str, ...] = ("grass", "sand", "snow", "wood", "water", "rainbow")
FIRST_LIGHTS: tuple[str, ...] = ("noon", "sunset", "night", "fog", "underwater")
"""The settings of the world of solids alone."""
CAMERA_PHRASES: dict[str, tuple[str, ...]] = {
    "static": ("the camera is static", "the camera does not move", "static camera"),
    "pan left": ("the camera pans left", "the camera turns to the left"),
    "pan right": ("the camera pans right", "the camera turns to the right"),
    "tilt up": ("the camera tilts up", "the camera looks up"),
    "tilt down": ("the camera tilts down", "the camera looks down"),
    "orbit": ("the camera orbits the scene", "the camera circles around"),
    "dolly in": ("the camera dollies in", "the camera moves forward"),
    "dolly out": ("the camera dollies out", "the camera moves back"),
    "zoom in": ("the camera zooms in",),
    "follow": ("the camera follows it", "the camera moves with it"),
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

# Words people type that captions do not use, and what they mean here.
ALSO_COLOURS: dict[str, str] = {
    "gold": "yellow", "lemon": "yellow", "pink": "purple", "magenta": "purple", "lilac": "purple", "lime": "green",
    "navy": "blue",
    "cyan": "blue", "ruby": "red", "pale": "white", "ivory": "white", "dark": "black",
}  # fmt: skip
ALSO_SHAPES: dict[str, str] = {
    "marble": "ball", "globe": "ball", "dice": "cube", "brick": "cube", "crate": "cube", "tube": "cylinder",
    "barrel": "cylinder",
    "can": "cylinder", "pillar": "cylinder", "column": "cylinder", "spike": "cone", "pyramid": "cone",
    "pine": "pine tree", "fir": "pine tree", "tori": "ring", "wheel": "ring", "tyre": "ring", "tire": "ring",
}  # fmt: skip
ALSO_SIZES: dict[str, str] = {
    "tiny": "small", "mini": "small", "miniature": "small", "giant": "large", "enormous": "large", "massive": "large",
}  # fmt: skip
ALSO_COUNTS: dict[str, int] = {
    "1": 1, "2": 2, "3": 3, "4": 4, "single": 1, "lone": 1, "both": 2, "twin": 2, "couple": 2, "pair": 2, "trio": 3,
    "several": 3, "few": 3, "some": 3, "quartet": 4, "many": 4, "lot": 4, "lots": 4, "plenty": 4, "numerous": 4,
    "countless": 4,
}  # fmt: skip
NUMBERS: dict[str, int] = {
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12,
    "dozens": 24, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100, "hundreds": 200,
    "thousand": 1000, "thousands": 2000, "million": 1_000_000,
}  # fmt: skip
"""Numbers that are more than the world shows of a kind."""
ALSO_GROUNDS: dict[str, str] = {
    "grassy": "grass", "field": "grass", "garden": "grass", "park": "grass", "dunes": "sand", "dune": "sand",
    "winter": "snow",
    "snowfield": "snow", "table": "wood", "tabletop": "wood", "desk": "wood", "ocean": "water",
    "pond": "water", "pool": "water", "river": "water", "street": "road", "highway": "road", "asphalt": "road",
    "forest": "jungle", "rainforest": "jungle", "woods": "jungle", "reef": "seabed", "lunar": "moon",
}  # fmt: skip
ALSO_LIGHTS: dict[str, str] = {
    "day": "noon", "daytime": "noon", "sunny": "noon", "midday": "noon", "sunshine": "noon", "sunlight": "noon",
    "sunrise": "sunset",
    "dawn": "sunset", "sundown": "sunset", "twilight": "sunset",
    "nightfall": "night", "darkness": "night", "midnight": "night", "moonlit": "night",
    "stars": "night", "misty": "fog",
    "haze": "fog", "hazy": "fog", "underwater": "underwater", "submerged": "underwater",
    "blizzard": "storm", "snowfall": "storm",
    "snowing": "storm", "galaxy": "space", "cosmos": "space",
    "afternoon": "noon", "morning": "sunset",
}  # fmt: skip
ALSO_STYLES: dict[str, str] = {
    "pencil": "charcoal", "monochrome": "charcoal", "grayscale": "charcoal", "pixelated": "pixel", "8-bit": "pixel",
    "retro": "pixel",
    "claymation": "clay", "plasticine": "clay", "cyberpunk": "neon", "synthwave": "neon", "photorealistic": "natural",
}  # fmt: skip

_FILLERS = """
a an the of with and or in on at to from by for its it it's there's is are be as that this there while then into onto
over across
through past up down out off very some one scene video clip movie animation picture image shot view camera showing shows
show showed please
slowly quickly fast slow gently steadily background foreground nice beautiful pretty looking object objects thing
things shape shapes
coloured colored color colour colours colors style art along against near toward towards under below above me us
viewer which who they
their them each other another again around place side ground light sky warm bright thick calm dense made taken does
not doesn't don't isn't
no gray grey wall slightly i we you want make create generate just only
now start starts begin begins continue continues keep keeps suddenly finally eventually soon
get gets getting came where but instead let should would could
was were been being has have had will can may might must if what why how here here's that's let's what's i'd i'll
i'm about see like both all every any such first second third itself themselves exactly really quite w
my our your so his her pls plz
ones avoid avoiding exclude excluding except minus remove o cannot can't won't motion movement
nothing never else merely rather than also without besides except matter doubt more less fewer stop stops stopping
"""
QUALITIES = frozenset(
    {"very", "nice", "beautiful", "pretty", "looking", "slightly", "bright", "warm", "thick", "dense", "calm", "some"}
)
"""fillers that describe a thing"""
FILLERS: frozenset[str] = frozenset(_FILLERS.split())
"""Words of any sentence, which say nothing about the picture by themselves."""
_KNOWN_ALSO = """
still motionless closer nearer forward back backward backwards away distance left right middle center centre leftward
rightward
leftwards rightwards stroke bite bitten frame screen static fixed locked close wide far top bird's eye black white
hour evening
daylight bright noon sunset dusk night moonlight starry fog mist foggy water sea waves deep rainbow road path street
track lawn meadow
grass sandy beach desert sand snowy snow wooden floor planks wood lake charcoal pixel clay neon lights glowing natural
realistic real
drawing sketch front behind beside next golden day wall after over front storm space outer ocean bottom
forest rain jungle mountain
mountains moon upward upwards downward downwards tracking closeup cam long overhead aerial drone push pull pulls pulling
pan pans panning camera's ice
"""
KNOWN_ALSO: frozenset[str] = frozenset(_KNOWN_ALSO.split())
"""Words `patterns` knows beyond the vocabulary of the captions."""
_MOTION_STEMS = """
roll slid mov go travel drift glid run fly com approach bounc jump hop spin turn rotat twirl fall drop fell stand rest
stay lie sit
circl orbit hit bump crash push collid leav exit return pass paint draw vanish disappear pan tilt zoom doll track
follow pull look bit walk swim driv sail float crawl ris tak tak chas trail hover gallop
"""
MOTION_STEMS: tuple[str, ...] = tuple(_MOTION_STEMS.split())
"""Beginnings of the verbs of motion, in any form."""
