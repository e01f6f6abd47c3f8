"""The wordings by which a prompt is understood: patterns of views, styles, lights, motions and relations, and tables of
single words, each with the key of what it says. Patterns are tried in order."""

import re

from . import words
from .nouns import NOUNS, plural


def verb(*verbs: str) -> str:
    """Any form of the verbs."""
    forms = []
    for one in verbs:
        stem = one[:-1] if one.endswith("e") else one
        forms.append(rf"{one}(?:e?s)?|{stem}{stem[-1]}?(?:ing|ed)|{stem}(?:ing|ed)")
    return rf"\b(?:{'|'.join(forms)})\b"


MOST = 4
"""things of one kind that the world shows at most"""
GO = (
    verb(
        "roll",
        "slide",
        "move",
        "go",
        "travel",
        "drift",
        "glide",
        "run",
        "fly",
        "walk",
        "hop",
        "crawl",
        "swim",
        "drive",
        "sail",
        "float",
        "race",
        "gallop",
        "ride",
    )
    + "(?: off| along)?"
)
GO = rf"(?:\b(?:flies|swimming|running|ran|flew|drove|swam|went|slid)\b|{GO})"
ANY_VERB = rf"(?:{'|'.join(words.MOTION_STEMS)}|flie)\w*"
NOWHERE = r"(?! (?:from \w+ )?(?:to )?(?:the )?(?:left|right))"

_EYE = r"(?:camera|viewer|audience|screen|lens|us|me|you)\b"

# (key, pattern): motions that name the camera come first, so that the camera's own patterns do not take them.
TOWARD: tuple[tuple[str, str], ...] = (
    (
        "closer",
        (
            rf"(?:{GO}|{verb('come')})? ?(?:toward|towards|to) (?:the )?{_EYE}|(?:{GO}|{verb('come')})"
            rf" (?:straight |right )?(?:at|into) (?:the )?{_EYE}|{verb('approach')}(?: the camera)?"
        ),
    ),
    ("closer", rf"(?:{GO}|{verb('come')}|came) (?:closer|nearer|forward|near)\b(?: to the camera)?"),
    (
        "away",
        (
            rf"(?:{GO})? ?away from (?:the )?(?:camera|viewer|us|me)\b|(?:{GO}) (?:away|into the"
            r" distance|back(?! and forth)|backward|backwards)\b"
        ),
    ),
)
_PAN = rf"(?:{verb('pan')}|(?<=camera )(?:{verb('turn', 'move', 'slide', 'swing', 'track')}|goes|going))"
CAMERAS: tuple[tuple[str, str], ...] = (
    ("pan left", rf"{_PAN}(?: from (?:the )?right)?(?: to)?(?: the)? left|{_PAN} right to left"),
    ("pan right", rf"{_PAN}(?: from (?:the )?left)?(?: to)?(?: the)? right|{_PAN} left to right"),
    ("tilt up", rf"(?:{verb('tilt', 'look', 'pan')}) up(?: slowly)?"),
    ("tilt down", rf"(?:{verb('tilt', 'look', 'pan')}) down(?: slowly)?"),
    ("pan right", rf"(?<=camera ){verb('pan')}"),
    ("dolly out", rf"{verb('zoom')} (?:out|back)"),
    ("zoom in", rf"{verb('zoom')}(?: in)?"),
    (
        "dolly in",
        r"(?:dolly|dollies|dollying) in|(?<=camera )(?:moves?|moving|goes|pushes) (?:forward|in|closer)|push in",
    ),
    (
        "dolly out",
        (
            r"(?:dolly|dollies|dollying|pull|pulls) (?:out|back)|(?<=camera )(?:moves?|moving|goes)"
            r" (?:back|out|away|backward)"
        ),
    ),
    (
        "follow",
        (
            r"(?:(?<=camera )moves with|(?<=camera )(?:follows?|following|tracks?|tracking)|tracking(?= shot))"
            r"(?: along)?(?: with)?(?: it| them| the \w+| shot)?"
        ),
    ),
    (
        "orbit",
        (
            r"(?<=camera )(?:(?:orbits?|orbiting|circles?|circling|rotates?)(?: around)?|(?:goes|moves) around)"
            r"(?: the scene| it)?|orbiting(?= camera| shot)"
        ),
    ),
    (
        "static",
        (
            r"(?<=camera )(?:is )?(?:static|still|fixed|(?:does not|doesn't) move)|(?:static|fixed|locked)(?= camera|"
            r" shot| view)"
        ),
    ),
)
_FALLING = "fall falls falling drop drops dropping comes coming down slowly gently quickly"
_NOT_FALLING = "".join(rf"(?<!{word} )" for word in _FALLING.split())
SHOTS: tuple[tuple[str, str], ...] = (
    ("close", r"close ?-?up|close view|seen from close by|view from close by"),
    (
        "above",
        rf"(?:seen|view|viewed|shot) from above|{_NOT_FALLING}from (?:above|overhead)|top view|bird'?s eye view"
        r"|top down(?: view)?|(?:aerial|overhead|drone) (?:view|shot)",
    ),
    ("far", r"(?:seen|view|viewed|shot) from (?:far away|afar)|(?:wide|long) (?:view|shot)"),
)
STYLES: tuple[tuple[str, str], ...] = (
    (
        "charcoal",
        (
            r"(?:a )?charcoal(?: drawing| sketch)?(?: in black and white)?|black and white(?: charcoal)?(?: drawing|"
            r" sketch)?|drawing|sketch"
        ),
    ),
    ("pixel", r"pixel(?: ?art)?(?: style)?"),
    ("clay", r"clay animation|(?:made (?:out )?of )?clay|clay style"),
    ("neon", r"glowing neon lights|neon(?: style| lights?)?"),
    ("natural", r"(?:natural|realistic|real)(?: style| look)?"),
)
LIGHTS: tuple[tuple[str, str], ...] = (
    ("storm", r"(?:in )?(?:an? |the )?(?:snow ?storm|blizzard|heavy snow(?:fall)?|snow ?fall)"),
    ("space", r"(?:in )?(?:outer )?space|among the stars"),
    (
        "underwater",
        r"(?:in )?(?:the )?deep (?:blue )?(?:sea|ocean)"
        r"|(?:deep )?under ?(?:the )?(?:water|sea|ocean|waves)|below (?:the )?(?:waves|water|sea)",
    ),
    ("noon", r"under a blue sky|blue sky|(?:in )?(?:the )?bright (?:daylight|day|sun|light)|daylight|(?:at )?noon"),
    ("sunset", r"(?:in )?(?:the )?(?:warm )?evening(?: light)?|golden hour|(?:at )?(?:sunset|dusk)"),
    (
        "night",
        r"under (?:a|the) (?:full )?moon"
        r"|under (?:a|the) (?:starry sky|stars)|starry(?: sky| night)?|(?:in )?(?:the )?moonlight|(?:at )?night",
    ),
    ("fog", r"(?:in )?(?:the )?(?:thick |dense )?(?:fog|mist)|(?:on )?(?:a )?foggy(?: day)?"),
)
GROUNDS: tuple[tuple[str, str], ...] = (
    ("seabed", r"(?:on |at )?(?:the )?(?:(?:sea|ocean) ?(?:floor|bed)|bottom of the (?:sea|ocean))"),
    ("jungle", r"(?:in )?(?:the |an? )?(?:jungle(?: floor)?|rain ?forest|forest)"),
    ("moon", r"(?:on )?(?:the )?(?:gray ground of the moon|moon dust|moon ground|lunar ground|moon)(?! ?light)"),
    ("road", r"(?:mountain|asphalt|country) road|road in the mountains|(?<!rainbow )(?<!of )\broad(?! of)"),
    ("rainbow", r"road of rainbow colou?rs|rainbow(?: (?:road|path|street|track))?"),
    ("grass", r"green (?:lawn|grass|meadow|field)|lawn|meadow|grass"),
    ("sand", r"sandy beach|beach|desert|sandy?"),
    ("snow", r"snowy? ?(?:field|ground)?|ice(?! cream)"),
    ("wood", r"wooden (?:floor|planks|table)|wooden|wood|floor|planks"),
    ("water", r"calm lake|lake|sea|water"),
)
PLACE = (
    r"\b(?:(?:on|at|in) (?:the )?(?:far )?(?:left|right|middle|center|centre)(?:[ -]?hand)?(?: side)?"
    r"|to the (?:left|right)(?: side)? (?=(?:an? |the |one |two |three |four |and |\w+ing\b|\w+s\b|,)))\b"
)
RELATIONS: tuple[tuple[str, str], ...] = (
    ("chase", rf"{verb('chase', 'hunt', 'pursue')}|{verb('run')} after"),
    ("follow", rf"{verb('follow', 'trail')}"),
    ("behind", r"(?:from )?behind(?! (?:an?|the) (?:gray |grey )?wall)"),
    ("front", r"\bin front of\b"),
    ("near", r"\b(?:right )?(?:next to|beside|close to|near|by the side of)\b"),
    ("above", r"(?<!from )(?:above|over)"),
    (
        "orbit",
        (
            rf"(?:{verb('circle', 'orbit', 'move', 'go', 'turn', 'spin')}) ?(?:in circles )?around (?:each other|one"
            r" another)"
        ),
    ),
    (
        "around",
        rf"(?:{verb('circle', 'orbit')}(?: around)?|(?:{GO})(?: in circles)? around)"
        r"(?= (?:an?|the|one) )(?! the (?:scene|camera)| one another)",
    ),
    ("collide", rf"(?:{GO}|{verb('bump', 'crash')}) into|{verb('hit', 'push', 'collide')}(?: with)?"),
)
DOING = frozenset({"chase", "follow", "orbit", "around", "collide"})
"""relations that are what two things do"""
MOTIONS: tuple[tuple[str, str], ...] = (
    (
        "behind",
        (
            r"(?:[\w ]*)behind (?:a|the) (?:gray |grey )?wall(?: and (?:comes?|coming) out again| and returns?| and"
            r" returning)?"
        ),
    ),
    ("return", rf"(?:{verb('leave')}|goes out of|exits?)[\w ]*?(?:picture|frame|view|screen|image)"),
    ("paint", rf"(?<!a )(?<!oil )(?<!the )(?:{verb('paint', 'draw')})(?! of| style)"),
    ("bite", r"(?:an? )?bites?(?: is)?(?: taken)?(?: out)?(?: of it)?|bitten"),
    (
        "rise",
        (
            rf"(?:{verb('rise')}|takes? off|taking off|(?:{GO}) up(?:wards?)?"
            rf"(?! and down| (?:an?|the)\b))(?: into the (?:sky|air)| up)?|"
            rf"up into the (?:sky|air)|(?:{GO}) into the (?:sky|air)"
        ),
    ),
    ("bounce", rf"(?:{verb('bounce', 'jump', 'hop')})(?: up and down)?{NOWHERE}|up and down"),
    ("spin", rf"(?:{verb('spin', 'rotate', 'twirl', 'turn')}|spun)(?: in place| around)?"),
    (
        "fall",
        (
            rf"(?:{verb('fall', 'drop')})(?: from (?:above|the sky)| down)?|fell\b"
            rf"|(?:{verb('move', 'go', 'come', 'float', 'drift', 'fly', 'glide', 'sail')}|flies) down(?:wards?)?"
            r"(?! (?:an?|the)\b)"
        ),
    ),
    (
        "still",
        (
            rf"(?:{verb('stand', 'stay', 'rest', 'lie', 'sit')})(?: still| in place| motionless|"
            r" there)?|motionless|(?:do(?:es)? not|do(?:es)?n't|cannot|can't|won't) move|(?:is not|isn't|not) moving"
            r"|stood|sat|lying"
        ),
    ),
    ("right", rf"(?:{GO})? ?from (?:the )?left to (?:the )?right"),
    ("left", rf"(?:{GO})? ?from (?:the )?right to (?:the )?left"),
    ("right", rf"(?:{GO})?(?: to)?(?: the)? ?right(?:ward|wards)?\b"),
    ("left", rf"(?:{GO})?(?: to)?(?: the)? ?left(?:ward|wards)?\b"),
)


def _inverted(table: dict[str, tuple[str, ...]], also: dict[str, str]) -> dict[str, str]:
    return {word: key for key, synonyms in table.items() for word in synonyms} | also


COLOUR_OF = _inverted(words.COLOUR_WORDS, words.ALSO_COLOURS)
SIZE_OF = _inverted(words.SIZE_WORDS, words.ALSO_SIZES)
_SINGULAR = _inverted(words.SHAPE_WORDS, words.ALSO_SHAPES)
SHAPE_OF = _SINGULAR | {words.PLURALS.get(word, word + "s"): key for word, key in _SINGULAR.items()}
_NAMES = {name: noun.key for noun in NOUNS.values() for name in noun.names}
SHAPE_OF |= _NAMES | {plural(name): key for name, key in _NAMES.items()}
PLURAL_WORDS = {words.PLURALS.get(word, word + "s") for word in _SINGULAR} | {
    plural(name) for name in _NAMES if plural(name) not in _NAMES
}
THING_NAME = re.compile(
    rf"(?<![\w'-])(?:{'|'.join(sorted(map(re.escape, SHAPE_OF), key=len, reverse=True))})(?![\w'-])"
)
COUNT_OF = {word: count for count, word in words.COUNT_WORDS.items()} | words.ALSO_COUNTS
COUNT_OF |= dict.fromkeys(words.NUMBERS, MOST)
DESCRIBING = COLOUR_OF.keys() | SIZE_OF.keys() | COUNT_OF.keys() | {"a", "an", "the", "of"}
ENDS = words.FILLERS - DESCRIBING - words.QUALITIES
"""words that no description of a thing holds"""
UNSAID = frozenset({"still", "natural", "static"})
"""what is so where nothing else is said: no second style, motion or camera"""
VAGUE = frozenset({"floor", "field", "park", "table", "winter", "day"})
"""words of places and lights that often only describe another one, "desert floor\""""
