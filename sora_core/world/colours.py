"""Colours as people say them: shades that the world lacks, colours of places, a colour for each of several things."""

import re

from . import words
from .nouns import NOUNS
from .patterns import COLOUR_OF, PLURAL_WORDS, SHAPE_OF, SIZE_OF

__all__ = [
    "COLOUR", "JOINED", "NAME", "NOUN", "SHADES", "TINTED", "own_colours", "placed_colours", "shaded", "told_apart",
]  # fmt: skip

COLOUR = "|".join(sorted(COLOUR_OF, key=len, reverse=True))
NAME = "|".join(sorted(map(re.escape, SHAPE_OF), key=len, reverse=True))
_ONE = rf"(?:(?:one|an?|the other)(?: is)? )?(?:{COLOUR})(?: one)?"
_ONES = re.compile(
    rf"\b(?:(?P<count>two|three|2|3|both|all) )?(?P<noun>{NAME})(?:\s*[,:]|\s+in\b)\s*"
    rf"(?P<ones>{_ONE}(?:(?:, and |, | and ){_ONE})+)\b(?! (?:{NAME})\b)"
)
"""one colour for each of several things: "two balls, a red one and a blue one\""""
_ONE_OF = re.compile(
    rf"\b(?P<count>two|three|2|3) (?P<noun>{NAME}),? one (?:of (?:which|them) )?(?:is )?(?P<colour>{COLOUR})$"
)
_LIST = re.compile(
    rf"\b(?P<colours>(?:(?:an? |the )?(?:{COLOUR}), )*(?:an? |the )?(?:{COLOUR}),? and (?P<again>an? |the )?"
    rf"(?:{COLOUR}))"
    rf"(?: (?:striped|spotted|checkered|dotted))? (?P<noun>{NAME})\b"
)
"""several colours before a noun: "red, green and blue balls\""""
_ANOTHER = re.compile(
    rf"\b(?P<noun>{NAME})\b(?P<between>.*?\b(?:an?|another|two|three|four) (?:[a-z]+ )?(?:{COLOUR})) ones?\b"
)
_ALL_OF = re.compile(
    rf"^(?P<things>.*\b(?:{NAME})\b.*?),? (?:both|all|each)(?: of them)?(?: (?:are|in))? (?P<colour>{COLOUR})\b"
)
_SOLID = "|".join(name for name, shape in SHAPE_OF.items() if shape in words.SHAPE_WORDS)
_NEAREST = {
    "white": "grey gray silver whitish", "orange": "brown bronze copper orangish", "yellow": "beige khaki yellowish",
    "red": "maroon burgundy vermilion reddish", "black": "blackish", "green": "lime olive chartreuse greenish",
    "purple": "pink magenta lilac fuchsia lavender mauve indigo pinkish purplish",
    "blue": "turquoise teal cyan navy aqua aquamarine cerulean ultramarine bluish",
}  # fmt: skip
_NEAREST_OF_THINGS = {
    "white": "pearl bone linen vanilla chrome platinum", "orange": "peach coral salmon rust amber chocolate tan",
    "yellow": "cream mustard wheat sandy lemon honey", "red": "cherry tomato brick rose wine ruby blood",
    "purple": "plum orchid amethyst thistle", "blue": "sapphire cobalt denim", "green": "mint jade moss sage",
    "black": "ebony onyx coal",
}  # fmt: skip
"""colours named like things: they are meant before a solid alone, "a salmon cube\""""
_LIKENED = {shade: near for near, shades in _NEAREST_OF_THINGS.items() for shade in shades.split()}
SHADES = {shade: near for near, shades in _NEAREST.items() for shade in shades.split()} | _LIKENED
"""Colours that the world lacks, and the nearest that it has."""
_TINTS = {
    "white": "snow ice moon", "blue": "sky sea ocean water ice night midnight royal baby", "yellow": "sand sun",
    "green": "sea forest jungle grass moss", "red": "blood brick fire ruby", "orange": "sunset", "pink": "hot rose",
    "black": "night midnight jet pitch coal ink",
}  # fmt: skip
TINTED = re.compile(
    "|".join(
        rf"\b(?:{'|'.join(things.split())})[ -](?={colour}\b(?! sk(?:y|ies)\b))" for colour, things in _TINTS.items()
    )
)
"""what a colour is likened to: neither a place nor a light, "midnight blue\""""
JOINED = re.compile(
    r"\b(?:dark|light|medium|pale|deep|sky|sea|steel|royal|navy|dodger|cornflower|powder|cadet|slate|alice|midnight|forest"
    r"|lawn|spring|lime|yellow|blue|orange|indian|hot|ghost|floral|antique|navajo|rebecca|pale|snow|blood)"
    rf"(?=(?:{COLOUR}|{'|'.join(SHADES)})\b)"
)
"""the first half of a colour of one word, "darkblue\""""
_PLACE = (
    r"(?:(?:sandy|snowy|wooden|calm) )?(?:sky|background|backdrop|walls?|floor|ground|lights?|lighting|sand|beach|snow"
    r"|grass|lawn|meadow|field|water|sea|ocean|lake|road|street|table|ice|desert)"
)
_COLOURED_PLACE = re.compile(
    rf"\b(?P<colour>{COLOUR})(?P<place> {_PLACE})\b(?! (?:{NAME})\b)|\b(?P<late>the {_PLACE})"
    rf" (?:is|are|was) (?P<of>{COLOUR})\b"
)
_ONE_OF_TWO = re.compile(rf"\b(?P<one>{COLOUR}) or (?P<other>(?:an? )?(?:{COLOUR}))(?= (?:{NAME})\b)")
_THE_OTHER = re.compile(
    rf"\b(?:one|the first) (?P<noun>{NAME}) (?:is )?(?P<one>{COLOUR}),?(?: and)? (?:the )?(?:other|second)(?: one)?"
    rf" (?:is )?(?P<other>{COLOUR})\b"
)
_RAINBOW = re.compile(rf"\brainbow(?:[ -]colou?red)? (?=(?:{_SOLID})\b)")
_OWN_COLOURS = {
    "blue": r"sky|water|sea|ocean|lake", "green": "grass|lawn|meadow|field", "white": "snow|ice|sand|beach",
    "yellow": "sand|beach|desert", "black": "night", "pale": "", "dark": "",
}  # fmt: skip
"""what has that colour in any case"""
_COLOURED = rf"(?:{COLOUR}|{'|'.join(SHADES)}|colou?red)\b"
_NO_NOUN = re.compile(
    rf" ?(?:$|[.;]|(?:,|and|or) (?!{_COLOURED})|(?!{_COLOURED}|(?:and|or)\b)"
    rf"(?:{'|'.join(words.FILLERS - words.QUALITIES)}|(?:{'|'.join(words.MOTION_STEMS)})\w*)\b)"
)
_MATERIAL = re.compile(
    rf"\b(?:(?P<of>wood|wooden|snow|snowy|sand|sandy|ice|water|grass|grassy) (?=(?:{_SOLID})\b)"
    rf"|(?<=\b)(?P<wooden>wooden) (?=(?:(?:{COLOUR}|{'|'.join(SIZE_OF)}) )+(?:{_SOLID})\b)"
    rf"|(?P<noun>{_SOLID}) (?:made )?(?:out )?of (?P<made>wood|snow|ice|sand|water|grass)\b)"
)
NOUN = "|".join(name for name in NAME.split("|") if SHAPE_OF[re.sub(r"\\(.)", r"\1", name)] in NOUNS)
_TONE = rf"(?:{COLOUR}|{'|'.join(SHADES)})"
_DESCRIBES = (
    rf"(?:\w+ing|(?!(?:{NAME}|{_PLACE}|{'|'.join(words.FILLERS - words.QUALITIES)}"
    rf"|(?:{'|'.join(words.MOTION_STEMS)})\w*)\b)[a-z-]+) "
)
_OF_A_NOUN = re.compile(
    rf"\b(?<!ice )(?P<tones>{_TONE}(?:(?:,? and |,? or |, | ){_TONE})*)"
    rf" (?P<between>(?:{_DESCRIBES}){{0,2}}?)(?P<noun>{NOUN})(?![\w'-])"
    rf"|\b(?P<it>{NOUN})(?:,? (?:that|which))? (?:is|are) (?P<late>{_TONE})\b(?! (?:{NAME}|{_PLACE})\b)"
)
"""a noun with a colour: "a red car", "the cat is black\""""


def own_colours(text: str, notes: list[str]) -> str:
    """The text without colours of living and made things, each of which has its own, with a note for each."""

    def bare(found: re.Match[str]) -> str:
        noun, tones = found["noun"] or found["it"], found["tones"] or found["late"]
        notes.append(f"'{tones} {noun}': the bundled model gives such things their own colours.")
        return (found["between"] or "") + noun

    text = _OF_A_NOUN.sub(bare, JOINED.sub("", TINTED.sub("", text)))
    return re.sub(rf"\b(?:a|an) (?=({NOUN})\b)", lambda m: "an " if m[1][0] in "aeiou" else "a ", text)


def shaded(text: str, notes: list[str]) -> str:
    """Colours that the world lacks become the nearest that it has, with a note; the grey wall stays, and so does what
    is named like its colour, "a lime rolls"."""

    def nearest(found: re.Match[str]) -> str:
        shade, rest = found[0], found.string[found.end() :]
        solid = re.match(rf"(?: [a-z]+){{0,2}}? (?:{_SOLID}|colou?red)\b", rest)
        thing = found.string[: found.start()].endswith(("a ", "an ", "the ")) and _NO_NOUN.match(rest)
        if (shade in _LIKENED and not solid) or thing:
            return shade
        notes.append(f"{shade!r} is not among the colours of the bundled model; {SHADES[shade]} is nearest.")
        return SHADES[shade]

    text = JOINED.sub("", TINTED.sub("", text))
    return re.sub(rf"\b(?:{'|'.join(SHADES)})\b(?! wall)(?! ground of the moon)", nearest, text)


def placed_colours(text: str, notes: list[str]) -> str:
    """The text without colours of places and without what things are made of, with a note for what is lost."""

    def bare(found: re.Match[str]) -> str:
        colour, place = found["colour"] or found["of"], (found["place"] or found["late"]).strip()
        last = place.rsplit(" ", 1)[-1]
        if colour == "blue" and last == "sky":
            return found[0] if found["colour"] else "blue sky"
        if last not in _OWN_COLOURS.get(COLOUR_OF[colour], "").split("|") and colour not in ("dark", "pale"):
            notes.append(f"'{colour} {last}': the bundled model colours things, not places.")
        return place

    def plain(found: re.Match[str]) -> str:
        made_of = found["of"] or found["wooden"] or found["made"]
        notes.append(f"{made_of!r}: the bundled model does not know what things are made of.")
        return found["noun"] or ""

    return _MATERIAL.sub(plain, _COLOURED_PLACE.sub(bare, text))


def told_apart(text: str, notes: list[str]) -> str:
    """The text with a noun for each colour of "red and blue balls", and a note where one thing is to have several."""

    def listed(found: re.Match[str]) -> str:
        colours = re.findall(rf"\b(?:{COLOUR})\b", found["colours"])
        begins = re.match(r"(?:an?|the) ", found["colours"])
        if found["again"] and not begins:  # "a ball, red and a blue cube"
            return found[0]
        if found["noun"] not in PLURAL_WORDS and begins and not found["again"]:
            notes.append(f"{' and '.join(colours)!r}: the bundled model gives a thing one colour.")
            return f"a {colours[0]} {found['noun']}"
        return _each(colours, found["noun"])

    def ones(found: re.Match[str]) -> str:
        colours = re.findall(rf"\b(?:{COLOUR})\b", found["ones"])
        return _each(colours, found["noun"]) if found["noun"] in PLURAL_WORDS else found[0]

    def the_one(found: re.Match[str]) -> str:
        one = one_of(found["noun"])
        rest = f"a {one}" if found["count"] in ("two", "2") else f"two {found['noun']}"
        return f"a {found['colour']} {one} and {rest}"

    def all_of(found: re.Match[str]) -> str:
        return re.sub(rf"\b(?={NAME}\b)", f"{found['colour']} ", found["things"])

    def one_colour(found: re.Match[str]) -> str:
        notes.append(f"{found[0].strip()!r}: the bundled model gives a thing one colour.")
        return found.groupdict().get("one") or ""

    text = _THE_OTHER.sub(lambda m: _each([m["one"], m["other"]], m["noun"]), text)
    text = _RAINBOW.sub(one_colour, _ONE_OF_TWO.sub(one_colour, text))
    text = _ONE_OF.sub(the_one, _ONES.sub(ones, text))
    text = _ANOTHER.sub(lambda m: f"{m['noun']}{m['between']} {m['noun']}", text)
    return _ALL_OF.sub(all_of, _LIST.sub(listed, text))


def _each(colours: list[str], noun: str) -> str:
    """A thing of each colour."""
    return " and ".join(f"a {colour} {one_of(noun)}" for colour in colours)


def one_of(noun: str) -> str:
    """The singular of a noun's name."""
    if noun not in PLURAL_WORDS:
        return noun
    key = SHAPE_OF[noun]
    same = [name for name in SHAPE_OF if name not in PLURAL_WORDS and SHAPE_OF[name] == key]
    return min(same, key=lambda name: (not noun.startswith(name), abs(len(noun) - len(name))))
