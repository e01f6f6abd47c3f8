"""A prompt, as people type it, to the facts it states. Patterns are tried in order and each match is taken out of the
text."""

import re
from dataclasses import dataclass, replace

from . import words
from .captions import GOING_ON, ThingFacts
from .nouns import GAIT_VERBS, NOUNS, Noun, plural


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What a prompt says; None where it says nothing."""

    things: tuple[ThingFacts, ...]
    stated: tuple[tuple[bool, bool], ...]
    """For each thing whether its colour and its motion were said."""
    relation: str
    ground: str | None
    light: str | None
    style: str | None
    camera: str | None
    shot: str | None
    more: tuple[tuple[str, str], ...] = ()
    """(what is shown instead, the words) of what is said beside it: ("one light", "in fog")."""


def _verb(*verbs: str) -> str:
    """Any form of the verbs."""
    forms = []
    for verb in verbs:
        stem = verb[:-1] if verb.endswith("e") else verb
        forms.append(rf"{verb}(?:e?s)?|{stem}{stem[-1]}?(?:ing|ed)|{stem}(?:ing|ed)")
    return rf"\b(?:{'|'.join(forms)})\b"


MOST = 4
"""things of one kind that the world shows at most"""
GO = (
    _verb(
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
_ANY_VERB = rf"(?:{'|'.join(words.MOTION_STEMS)}|flie)\w*"
NOWHERE = r"(?! (?:from \w+ )?(?:to )?(?:the )?(?:left|right))"

_EYE = r"(?:camera|viewer|audience|screen|lens|us|me|you)\b"

# (key, pattern): motions that name the camera come first, so that the camera's own patterns do not take them.
TOWARD: tuple[tuple[str, str], ...] = (
    (
        "closer",
        (
            rf"(?:{GO}|{_verb('come')})? ?(?:toward|towards|to) (?:the )?{_EYE}|(?:{GO}|{_verb('come')})"
            rf" (?:straight |right )?(?:at|into) (?:the )?{_EYE}|{_verb('approach')}(?: the camera)?"
        ),
    ),
    ("closer", rf"(?:{GO}|{_verb('come')}|came) (?:closer|nearer|forward|near)\b(?: to the camera)?"),
    (
        "away",
        (
            rf"(?:{GO})? ?away from (?:the )?(?:camera|viewer|us|me)\b|(?:{GO}) (?:away|into the"
            r" distance|back(?! and forth)|backward|backwards)\b"
        ),
    ),
)
_PAN = rf"(?:{_verb('pan')}|(?<=camera )(?:{_verb('turn', 'move', 'slide', 'swing', 'track')}|goes|going))"
CAMERAS: tuple[tuple[str, str], ...] = (
    ("pan left", rf"{_PAN}(?: from (?:the )?right)?(?: to)?(?: the)? left|{_PAN} right to left"),
    ("pan right", rf"{_PAN}(?: from (?:the )?left)?(?: to)?(?: the)? right|{_PAN} left to right"),
    ("tilt up", rf"(?:{_verb('tilt', 'look', 'pan')}) up(?: slowly)?"),
    ("tilt down", rf"(?:{_verb('tilt', 'look', 'pan')}) down(?: slowly)?"),
    ("pan right", rf"(?<=camera ){_verb('pan')}"),
    ("dolly out", rf"{_verb('zoom')} (?:out|back)"),
    ("zoom in", rf"{_verb('zoom')}(?: in)?"),
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
    ("chase", rf"{_verb('chase', 'hunt', 'pursue')}|{_verb('run')} after"),
    ("follow", rf"{_verb('follow', 'trail')}"),
    ("behind", r"(?:from )?behind(?! (?:an?|the) (?:gray |grey )?wall)"),
    ("front", r"\bin front of\b"),
    ("near", r"\b(?:right )?(?:next to|beside|close to|near|by the side of)\b"),
    ("above", r"(?<!from )(?:above|over)"),
    (
        "orbit",
        (
            rf"(?:{_verb('circle', 'orbit', 'move', 'go', 'turn', 'spin')}) ?(?:in circles )?around (?:each other|one"
            r" another)"
        ),
    ),
    (
        "around",
        rf"(?:{_verb('circle', 'orbit')}(?: around)?|(?:{GO})(?: in circles)? around)"
        r"(?= (?:an?|the|one) )(?! the (?:scene|camera)| one another)",
    ),
    ("collide", rf"(?:{GO}|{_verb('bump', 'crash')}) into|{_verb('hit', 'push', 'collide')}(?: with)?"),
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
    ("return", rf"(?:{_verb('leave')}|goes out of|exits?)[\w ]*?(?:picture|frame|view|screen|image)"),
    ("paint", rf"(?<!a )(?<!oil )(?<!the )(?:{_verb('paint', 'draw')})(?! of| style)"),
    ("bite", r"(?:an? )?bites?(?: is)?(?: taken)?(?: out)?(?: of it)?|bitten"),
    (
        "rise",
        (
            rf"(?:{_verb('rise')}|takes? off|taking off|(?:{GO}) up(?:wards?)?"
            rf"(?! and down| (?:an?|the)\b))(?: into the (?:sky|air)| up)?|"
            rf"up into the (?:sky|air)|(?:{GO}) into the (?:sky|air)"
        ),
    ),
    ("bounce", rf"(?:{_verb('bounce', 'jump', 'hop')})(?: up and down)?{NOWHERE}|up and down"),
    ("spin", rf"(?:{_verb('spin', 'rotate', 'twirl', 'turn')}|spun)(?: in place| around)?"),
    (
        "fall",
        (
            rf"(?:{_verb('fall', 'drop')})(?: from (?:above|the sky)| down)?|fell\b"
            rf"|(?:{_verb('move', 'go', 'come', 'float', 'drift', 'fly', 'glide', 'sail')}|flies) down(?:wards?)?"
            r"(?! (?:an?|the)\b)"
        ),
    ),
    (
        "still",
        (
            rf"(?:{_verb('stand', 'stay', 'rest', 'lie', 'sit')})(?: still| in place| motionless|"
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
_NOUN = re.compile(rf"(?<![\w'-])(?:{'|'.join(sorted(map(re.escape, SHAPE_OF), key=len, reverse=True))})(?![\w'-])")
COUNT_OF = {word: count for count, word in words.COUNT_WORDS.items()} | words.ALSO_COUNTS
COUNT_OF |= dict.fromkeys(words.NUMBERS, MOST)


_DESCRIBING = COLOUR_OF.keys() | SIZE_OF.keys() | COUNT_OF.keys() | {"a", "an", "the", "of"}
_ENDS = words.FILLERS - _DESCRIBING - words.QUALITIES
"""words that no description of a thing holds"""


UNSAID = frozenset({"still", "natural", "static"})
"""what is so where nothing else is said: no second style, motion or camera"""
VAGUE = frozenset({"floor", "field", "park", "table", "winter", "day"})
"""words of places and lights that often only describe another one, "desert floor\""""


class _Text:
    """The prompt while patterns are taken out of it."""

    def __init__(self, text: str):
        text = re.sub(r"\b\d+[.:]\d+\b|#\w+", " ", text)  # a share, a time or a number of a colour counts nothing
        self.text = " " + re.sub(r"[^\w' ,.-]", " ", text.lower().replace(".", " , ").replace(",", " , ")) + " "
        self.text = re.sub(r"\s+", " ", self.text)
        self.took = ""
        """the words that were taken last"""

    def take(self, patterns: tuple[tuple[str, str], ...], also: dict[str, str] | None = None) -> str | None:
        """The first key whose pattern occurs; the match is removed."""
        for key, pattern in patterns:
            found = re.search(rf"(?<![\w-])(?:{pattern})(?![\w-])", self.text)
            if found and found[0].strip():
                self.text, self.took = self.text[: found.start()] + " " + self.text[found.end() :], found[0].strip()
                return key
        for word, key in (also or {}).items():
            if f" {word} " in self.text:
                self.text, self.took = self.text.replace(f" {word} ", " "), word
                return key
        return None

    def others(
        self, shown: str, key: str | None, patterns: tuple[tuple[str, str], ...], also: dict[str, str] | None = None
    ) -> tuple[tuple[str, str], ...]:
        """(shown, words) for what is said of the same kind beside what was taken. The text stays as it is."""
        rest, found = _Text(self.text), []
        while key is not None and (other := rest.take(patterns, also)) is not None:
            if other not in (key, *UNSAID) and rest.took not in VAGUE:
                found.append((shown, rest.took))
        return tuple(found)


def understand(prompt: str) -> Understood:
    """The facts a prompt states, in any order."""
    text = _Text(prompt)
    shot = text.take(SHOTS)
    more = text.others("one view", shot, SHOTS)
    style = text.take(STYLES, words.ALSO_STYLES)
    more += text.others("one style", style, STYLES, words.ALSO_STYLES)
    light = text.take(LIGHTS, words.ALSO_LIGHTS)
    more += text.others("one light", light, LIGHTS, words.ALSO_LIGHTS)
    marked = _keep_motion(text, TOWARD)
    camera = text.take(CAMERAS)
    more += text.others("one motion of the camera", camera, CAMERAS)
    ground = text.take(GROUNDS, words.ALSO_GROUNDS)
    more += text.others("one place", ground, GROUNDS, words.ALSO_GROUNDS)
    text.text = re.sub(
        rf"\b(?:the )?(?:camera|shot)\b(?: (?:slowly |then )?(?:{_ANY_VERB}))?(?: while)?", " ", text.text
    )
    placed = ""
    if not re.search(r"\b(?:leav|exit|wall\b|paint)", text.text):
        text.text, placed = _without_places(re.sub(r" on the (?:left|right) and ", " and ", text.text))
    relation = ""
    if len(_nouns(text.text)) > 1:
        relation = text.take(RELATIONS) or ""
    things, stated, moves = _things(text.text, relation, marked)
    if relation in words.RELATION_PHRASES and len(things) > 2:
        more += (("no such relation of more than two things", text.took),) if relation != "near" else ()
        relation = "beside"
    if placed and len(things) == 1:
        more += (("sides only of things that are told apart", placed),)
    if not relation and len(things) > 1:
        relation = "beside"
    return Understood(
        things=things, stated=stated, relation=relation, ground=ground, light=light, style=style, camera=camera,
        shot=shot, more=more + moves,
    )  # fmt: skip


def _without_places(text: str) -> tuple[str, str]:
    """The text without `on the left` and the like where it says where a thing is, not where it goes; the last of
    them."""
    goes, placed = re.compile(rf"(?:{GO})\s*$"), ""

    def bare(found: re.Match[str]) -> str:
        nonlocal placed
        if goes.search(text[: found.start()]):
            return found[0]
        placed = found[0].strip()
        return " "

    return re.sub(PLACE, bare, text), placed


def _keep_motion(text: _Text, patterns: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Replace motions that speak of the camera by a mark in place, so that they stay with their thing."""
    marks = {"zcloserz": "closer", "zawayz": "away"}
    for key, pattern in patterns:
        guarded = rf"(?<![\w-])(?<!camera )(?<!camera is )(?:{pattern})(?![\w-])"
        text.text = re.sub(guarded, f" z{key}z ", text.text)
    return marks


def _nouns(text: str) -> list[re.Match[str]]:
    return list(_NOUN.finditer(text))


def _things(
    text: str, relation: str, marks: dict[str, str]
) -> tuple[tuple[ThingFacts, ...], tuple[tuple[bool, bool], ...], tuple[tuple[str, str], ...]]:
    """Each noun with the adjectives before it and the motion after it (or before the first); what was said of each,
    and the second motions and colours. "The ball" after "a red ball" is the same one."""
    nouns = _nouns(text)
    things: list[ThingFacts] = []
    stated: list[tuple[bool, bool]] = []
    told: list[int] = []
    more: tuple[tuple[str, str], ...] = ()
    start = 0
    spans = []
    for noun in nouns:
        before = text[start : noun.start()]
        cut = _adjectives_begin(before)
        spans.append((before[:cut], before[cut:], noun[0]))
        start = noun.end()
    tails = [after for after, _, _ in spans[1:]] + [text[start:]]
    for i, (lead, adjectives, name) in enumerate(spans):
        tail = tails[i] if i else lead + " " + tails[i]
        thing, said, beside = _thing(adjectives, name, tail, marks)
        more += beside
        needed = relation in DOING and i == len(nouns) - 1 and len(things) < 2
        same = None if needed else _told_before(thing, said, adjectives, things)
        told.append(len(things) if same is None else same)
        if same is None:
            things.append(thing)
            stated.append(said)
        elif said[1]:
            things[same] = replace(things[same], motion=thing.motion, side=thing.side, paint=thing.paint)
            stated[same] = (stated[same][0], True)
    again = len(things) < len(nouns)
    if relation in DOING:
        one, two = told[-2:] if again and told[-2] != told[-1] else (0, 1)
        more = tuple(pair for pair in more if pair[0] != "one motion of a thing")
        more += tuple(
            ("two things that do so", nouns[told.index(i)][0]) for i in range(len(things)) if i not in (one, two)
        )
        things, stated = [things[one], things[two]], [stated[one], stated[two]]
    if relation in ("orbit", "collide"):
        things = [replace(thing, motion=relation) for thing in things]
        stated = [(colour, True) for colour, _ in stated]
    elif relation == "around":
        things = [replace(things[0], motion="orbit"), replace(things[1], motion="still")]
        stated = [(colour, True) for colour, _ in stated]
    elif relation in ("chase", "follow"):
        side = "right" if re.search(r"\bright\b", text) else "left"
        things = [replace(things[0], motion=relation, side=side), replace(things[1], motion=side)]
        stated = [(colour, True) for colour, _ in stated]
    elif (
        relation not in words.RELATION_PHRASES
        and len(things) > 1
        and not again
        and stated[-1][1]
        and not any(motion for _, motion in stated[:-1])
        and not re.search(rf"\b{_ANY_VERB}(?<=ing)\b", spans[-1][1])  # "a ball and a bouncing cube"
    ):
        things = [replace(thing, motion=things[-1].motion) for thing in things]
        stated = [(colour, True) for colour, _ in stated]
    return tuple(things), tuple(stated), more


def _told_before(thing: ThingFacts, said: tuple[bool, bool], adjectives: str, things: list[ThingFacts]) -> int | None:
    """Which of the things "the ball" is, where it is one that was told before."""
    if not re.match(r"\s*(?:and )?(?:the|this|that|these|those|both)\b", adjectives):
        return None
    alike = [
        i
        for i, other in enumerate(things)
        if other.shape == thing.shape and (not said[0] or thing.shape in NOUNS or other.colour == thing.colour)
    ]
    return alike[0] if len(alike) == 1 else None


def _adjectives_begin(before: str) -> int:
    """Where the words that describe the coming noun begin: behind a verb or a preposition, or with an article. Words
    of no meaning here may stand among them, "two shiny red"."""
    end = len(before.rstrip())
    for word in reversed(list(re.finditer(r"[\w'-]+|,", before))):
        if word[0] in _DESCRIBING or word[0].isdigit():
            end = word.start()
        elif word[0] in _ENDS or re.fullmatch(rf"(?:{'|'.join(words.MOTION_STEMS)})\w?(?:e?s|ed|e)?", word[0]):
            break
        if word[0] in ("a", "an", "the"):
            break
    return end


def _thing(
    adjectives: str, noun: str, tail: str, marks: dict[str, str]
) -> tuple[ThingFacts, tuple[bool, bool], tuple[tuple[str, str], ...]]:
    """A thing, whether its colour and its motion were said, and what was said of both beside it."""
    colour = size = None
    count = 3 if noun in PLURAL_WORDS else 1
    for word in re.findall(r"[\w'-]+", adjectives):
        colour = COLOUR_OF.get(word, colour)
        size = SIZE_OF.get(word, size)
        count = 1 if word in ("a", "an") and noun not in PLURAL_WORDS else COUNT_OF.get(word, count)
        if word.isdigit():
            count = max(1, min(MOST, int(word[:9])))
    text = _Text(" ".join([tail, *re.findall(r"\w+ing\b", adjectives)]))
    motion = next((key for mark, key in marks.items() if mark in text.text), None)
    for mark in marks:
        text.text = text.text.replace(mark, " ")
    motion = motion or text.take(MOTIONS) or (GOING_ON if re.search(GO, text.text) else None)
    side, paint = "left", ""
    tones = [word for word in re.findall(r"[\w'-]+", adjectives) if word in COLOUR_OF and word not in ("dark", "pale")]
    more = tuple(("one colour of a thing", tone) for tone in tones if COLOUR_OF[tone] != colour)
    if motion in ("return", "behind", "paint"):
        side = "right" if re.search(r"\bright\b", tail) else "left"
        text.text = re.sub(r"\b(?:left|right|returns?|returning|comes?|coming|back|stroke)\b", " ", text.text)
    else:
        more += text.others("one motion of a thing", motion, MOTIONS)
    if motion == "paint":
        named = [COLOUR_OF[w] for w in re.findall(r"\w+", text.text) if w in COLOUR_OF]
        paint = named[0] if named else ("yellow" if colour != "yellow" else "blue")
    colour_said = colour is not None
    if colour is None and motion != "paint":
        loose = [COLOUR_OF[w] for w in re.findall(r"\w+", text.text) if w in COLOUR_OF and w not in ("dark", "pale")]
        colour, colour_said = (loose[0], True) if loose else (None, False)
    shape = SHAPE_OF[noun]
    gait = ""
    if shape in NOUNS:
        colour, colour_said = "", True
        gait = _gait(NOUNS[shape], tail)
    thing = ThingFacts(
        colour="red" if colour is None else colour, shape=shape, motion=motion or "still", count=count,
        size=size or "", side=side, paint=paint, gait=gait,
    )  # fmt: skip
    return thing, (colour_said, motion is not None), more


def _gait(noun: Noun, tail: str) -> str:
    """The verb of going that is said of a noun: one of its own, else any, else its most usual."""
    own = (gait for gait in noun.gaits if re.search(rf"\b{gait[:3]}", tail))
    said = (gait for gait in GAIT_VERBS if re.search(rf"{_verb(gait)}|\b{gait[:-1]}ies\b", tail))
    return next(own, None) or next(said, noun.gaits[0])
