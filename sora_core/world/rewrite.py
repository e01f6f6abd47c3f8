"""A prompt as people type it, made ready to be understood: slips mended, refusals taken out, loose wordings made plain.

rewrite("two balls, a red one and a blue one, no snow")
-> text "a red ball and a blue ball", negative "snow", notes ()
"""

import random
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from . import words
from .captions import vocabulary as captions_words
from .goes_on import plainly
from .understand import COLOUR_OF, COUNT_OF, GO, MOST, MOTIONS, PLURAL_WORDS, SHAPE_OF, SIZE_OF, TOWARD

__all__ = ["Rewritten", "rewrite", "unknown_words"]


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A prompt in plain words. negative: what it says must not be there. notes: what was changed, a sentence each."""

    text: str
    negative: str = ""
    notes: tuple[str, ...] = ()


_AFFIRMED: tuple[tuple[str, str], ...] = (
    (r"\bhalf a dozen\b", "six"),
    (r"\bnothing (?P<where>(?:on|in|at|under) [a-z ]{1,30}?) (?:but|except(?: for)?) ", r"\g<where> "),
    (r"\b(?:nothing|none|no one)(?: else)? (?:but|except(?: for)?|other than|besides) ", ""),
    (r",? (?:(?:and|with) )?nothing else\b(?! (?:happens|moves|changes))", ""),
    (r"\b(?:not|no) (?:only|just|merely|simply) ", ""),
    (r"\bbut (?:also|too)\b", "and"),
    (r"\b(?:no|not) (?:more|less|fewer) than ", ""),
    (r"\bnot far (?:away )?from\b", "near"),
    (r",? ?\b(?:no matter (?:what|how|where)|(?:with(?:out)? (?:no |an? |any )?|no )doubt)\b", ""),
)
"""negations that affirm what follows them, and what they come to"""
_NEGATED: tuple[tuple[str, str], ...] = (
    (r",? \b(?:rather than|instead of|as opposed to)\b", " not"),
    (
        r"\b(?:(?:that|which) )?(?:is|are|was|were|do|does|did|wo|would|ca|could|should|will|can)(?:n'?t| not)\b"
        r"(?! mov| stop)"
        r"(?: (?:be|show|include|add|use|put|draw|make|have|want|need|contain)\b)?",
        " not ",
    ),
    (
        r"\b(?:avoid(?:ing)?|exclud(?:e|ing)|except(?: for)?|minus|lacking|devoid of|free of|hide|omit(?:ting)?|remove"
        r"|delete|erase|get rid of|w/o(?:ut)?)\b",
        "without",
    ),
    (r"\bw/(?= )", "with"),
    (r"\bnon[- ](COLOUR) (NAME)\b", r"\2 not \1"),
    (r"\b(?:anything|everything|all) (?:but|except)(?: for)? ", "no "),
    (r"\bneither (?:an? |the )?([a-z' -]+?) nor ", r"no \1, no "),
    (r"(?<![\w.,:])(?:zero|0)(?= [a-z])", "no"),
)
"""other ways to say that something must not be there, and what they come to"""
_REFUSED = re.compile(
    r"(?:,\s*|\s+and\s+|\s+but\s+|\s+)?(?:\b(?:that|which)\s+(?:is|are)\s+)?"
    r"\b(?:not(?!\s+mov)|no(?!\s+camera)|without|nothing|never)\b\s+(?:(?:any|an?|the|at|in)\s+)?"
    r"(?P<what>(?!mov)[a-z][a-z' -]*?)(?=\s*[,.;!]|\s*$|\s+(?:and|but|on|in|at|with|under|while)\b)"
)
_COLOUR = "|".join(sorted(COLOUR_OF, key=len, reverse=True))
_NAME = "|".join(sorted(map(re.escape, SHAPE_OF), key=len, reverse=True))
_ONE = rf"(?:(?:one|an?|the other)(?: is)? )?(?:{_COLOUR})(?: one)?"
_ONES = re.compile(
    rf"\b(?:(?P<count>two|three|2|3|both|all) )?(?P<noun>{_NAME})(?:\s*[,:]|\s+in\b)\s*"
    rf"(?P<ones>{_ONE}(?:(?:, and |, | and ){_ONE})+)\b(?! (?:{_NAME})\b)"
)
"""one colour for each of several things: "two balls, a red one and a blue one\""""
_ONE_OF = re.compile(
    rf"\b(?P<count>two|three|2|3) (?P<noun>{_NAME}),? one (?:of (?:which|them) )?(?:is )?(?P<colour>{_COLOUR})$"
)
_LIST = re.compile(
    rf"\b(?P<colours>(?:(?:an? |the )?(?:{_COLOUR}), )*(?:an? |the )?(?:{_COLOUR}),? and (?P<again>an? |the )?"
    rf"(?:{_COLOUR}))"
    rf"(?: (?:striped|spotted|checkered|dotted))? (?P<noun>{_NAME})\b"
)
"""several colours before a noun: "red, green and blue balls\""""
_ANOTHER = re.compile(
    rf"\b(?P<noun>{_NAME})\b(?P<between>.*?\b(?:an?|another|two|three|four) (?:[a-z]+ )?(?:{_COLOUR})) ones?\b"
)
_ALL_OF = re.compile(
    rf"^(?P<things>.*\b(?:{_NAME})\b.*?),? (?:both|all|each)(?: of them)?(?: (?:are|in))? (?P<colour>{_COLOUR})\b"
)
_SIDE = re.compile(
    r"\s*(?:\b(?:is|are|stands?|sits?)\s+)?\b(?:to the|on the|at the)?\s*(?P<side>left|right)(?: side)? (?:of|from)\s+"
)
_SIDE_FIRST = re.compile(
    r"^(?:to the|on the|at the)?\s*(?P<side>left|right)(?: side)? of (?P<two>[^,]+?)(?:,| there)?"
    r" (?:is|are|stands?|sits?) (?P<one>.+)$"
)
_SOLID = "|".join(name for name, shape in SHAPE_OF.items() if shape in words.SHAPE_WORDS)
_THERE = r"(?:(?:on|at|to) the )?{side}(?: side)?"
_SAID_BY_SIDE: tuple[re.Pattern[str], ...] = (
    re.compile(
        rf"^{_THERE.format(side='left')}: ?(?P<left>.+?)[,;]? (?:and )?{_THERE.format(side='right')}: ?(?P<right>.+)$"
    ),
    re.compile(
        rf"^{_THERE.format(side='right')}[:,]? ?(?P<right>.+?)[,;]? (?:and )?{_THERE.format(side='left')}[:,]? ?"
        r"(?P<left>.+)$"
    ),
    re.compile(
        r"^(?P<right>.+?) (?:on|at) the right(?: side)?\b(?P<more>.*?)(?:[,;]| and)+ (?P<left>.+?) (?:on|at) the left"
        r"(?: side)?\b(?P<rest>.*)$"
    ),
)
"""two things, each with its side, in another order than captions tell them"""
_ITS_SIDE = re.compile(r"^(?P<one>.+?),? (?:and )?(?:to|on|at) its (?P<side>left|right)(?: side)?,? (?P<two>.+)$")
_STACKED: tuple[tuple[str, str], ...] = (
    (r"\b(?:right )?(?:on top of|atop|upon)\b", "above"),
    (
        r"^(?P<low>.*\b(?:NAME))\s+(?:(?:is|are|stands?|sits?|lies)\s+)?(?:under|below|beneath|underneath)\s+"
        r"(?P<high>(?:an? |the |one )?(?:[a-z]+ ){0,3}?(?:NAME))\b",
        r"\g<high> above \g<low>",
    ),
)
"""one thing over another, in other words"""
_ORBIT = re.compile(
    rf"(?<!camera )(?:\b(?:circl(?:es|ing|e)|orbit(?:s|ing)?)(?: around)?|(?:{GO})(?: in circles)? around)"
    r"\s+(?=(?:an?|the|one)\s)(?!the (?:scene|camera)|one another)"
)
_DIRECTED = re.compile(
    r"\b(?:left|right|leftwards?|rightwards?|closer|nearer|near|towards?|away|forwards?|backwards?|back|into|behind"
    r"|around (?:each|one)|(?:not|n't) mov\w+|(?:up|down)(?:wards?)?|follow\w*|chas\w+|in place|camera|distance|out"
    r"|through the wall)\b"
)
_COUNTED = re.compile(
    rf"(?<![\w.:])(?P<count>\d+|{'|'.join(words.NUMBERS)})(?= (?:(?!an? |the |in |on |at |around )[\w-]+ ){{0,4}}?"
    rf"(?:{'|'.join(map(re.escape, PLURAL_WORDS))})\b)"
)
"""a number of things"""
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
_SHADES = {shade: near for near, shades in _NEAREST.items() for shade in shades.split()} | _LIKENED
"""Colours that the world lacks, and the nearest that it has."""
_TINTS = {
    "white": "snow ice moon", "blue": "sky sea ocean water ice night midnight royal baby", "yellow": "sand sun",
    "green": "sea forest jungle grass moss", "red": "blood brick fire ruby", "orange": "sunset", "pink": "hot rose",
    "black": "night midnight jet pitch coal ink",
}  # fmt: skip
_TINTED = re.compile(
    "|".join(
        rf"\b(?:{'|'.join(things.split())})[ -](?={colour}\b(?! sk(?:y|ies)\b))" for colour, things in _TINTS.items()
    )
)
"""what a colour is likened to: neither a place nor a light, "midnight blue\""""
_JOINED = re.compile(
    r"\b(?:dark|light|medium|pale|deep|sky|sea|steel|royal|navy|dodger|cornflower|powder|cadet|slate|alice|midnight|forest"
    r"|lawn|spring|lime|yellow|blue|orange|indian|hot|ghost|floral|antique|navajo|rebecca|pale|snow|blood)"
    rf"(?=(?:{_COLOUR}|{'|'.join(_SHADES)})\b)"
)
"""the first half of a colour of one word, "darkblue\""""
_PLACE = (
    r"(?:(?:sandy|snowy|wooden|calm) )?(?:sky|background|backdrop|walls?|floor|ground|lights?|lighting|sand|beach|snow"
    r"|grass|lawn|meadow|field|water|sea|ocean|lake|road|street|table|ice|desert)"
)
_COLOURED_PLACE = re.compile(
    rf"\b(?P<colour>{_COLOUR})(?P<place> {_PLACE})\b(?! (?:{_NAME})\b)|\b(?P<late>the {_PLACE})"
    rf" (?:is|are|was) (?P<of>{_COLOUR})\b"
)
_OWN_COLOURS = {
    "blue": r"sky|water|sea|ocean|lake", "green": "grass|lawn|meadow|field", "white": "snow|ice|sand|beach",
    "yellow": "sand|beach|desert", "black": "night", "pale": "", "dark": "",
}  # fmt: skip
"""what has that colour in any case"""
_COLOURED = rf"(?:{_COLOUR}|{'|'.join(_SHADES)}|colou?red)\b"
_NO_NOUN = re.compile(
    rf" ?(?:$|[.;]|(?:,|and|or) (?!{_COLOURED})|(?!{_COLOURED}|(?:and|or)\b)"
    rf"(?:{'|'.join(words.FILLERS - words.QUALITIES)}|(?:{'|'.join(words.MOTION_STEMS)})\w*)\b)"
)
_MATERIAL = re.compile(
    rf"\b(?:(?P<of>wood|wooden|snow|snowy|sand|sandy|ice|water|grass|grassy) (?=(?:{_SOLID})\b)"
    rf"|(?<=\b)(?P<wooden>wooden) (?=(?:(?:{_COLOUR}|{'|'.join(SIZE_OF)}) )+(?:{_SOLID})\b)"
    rf"|(?P<noun>{_SOLID}) (?:made )?(?:out )?of (?P<made>wood|snow|ice|sand|water|grass)\b)"
)


def rewrite(prompt: str, seed: int = 0, way: str | None = "") -> Rewritten:
    """The prompt in plain words. Where something goes and no direction is said it goes that `way` ("to the left"), one
    that the seed chooses where that is empty, or, with None, it is not said where to."""
    prompt = unicodedata.normalize("NFKC", prompt).lower().replace("’", "'")
    text = re.sub(r"\s+", " ", re.sub(r"[\"“”()\[\]_]", " ", prompt)).strip(" ,.;!")
    text = re.sub(
        r"[a-z]+(?:-[a-z]+)+", lambda m: m[0] if m[0] in _known(captions_words()) else m[0].replace("-", " "), text
    )
    text = re.sub(rf"\b({_NAME})(?:'s|')(?! eye\b)(?=\s|$)", r"\1", text)
    for said, plain in (*_AFFIRMED, *_NEGATED):
        text = re.sub(said.replace("COLOUR", _COLOUR).replace("NAME", _NAME), plain, text)
    text, refused = _without_refusals(re.sub(r"\s+", " ", text).strip(" ,"))
    notes: list[str] = []
    text = _mended(text, notes)
    text = _shaded(re.sub(r"\b(?:beach (?=balls?\b)|ice cream (?=cones?\b))", "", text), notes)
    if re.search(r"\b(?:a|an|the|oil) paintings?\b", text):
        notes.append("'painting' is not among the styles of the bundled model.")
    text = re.sub(r"\s*(?:\+|&|\bplus\b)\s*", " and ", text)
    text = _told_apart(_placed_colours(text, notes), notes)
    text = _ORBIT.sub("and ", text) + " circle around each other" if _ORBIT.search(text) else text
    for said, plain in _STACKED:
        text = re.sub(said.replace("NAME", _NAME), plain, text)
    text = _placed(text)
    _count_notes(text, notes)
    text = text if way is None else _directed(text, seed, way)
    return Rewritten(text=text, negative=", ".join(refused), notes=tuple(dict.fromkeys(notes)))


def _without_refusals(text: str) -> tuple[str, list[str]]:
    """The text without what it says must not be there, and that. `not moving` stays: it is a way to stand."""
    refused = [found["what"].strip() for found in _REFUSED.finditer(text)]
    return re.sub(r"\s+", " ", _REFUSED.sub("", text)).strip(" ,.;"), refused


def unknown_words(prompt: str, vocabulary: Collection[str] | None = None) -> list[str]:
    """The words of a prompt that mean nothing to a text encoder of that vocabulary, in their order, each once; None:
    that this grammar does not know. A synonym is known where the word that stands for it in captions is."""
    every = frozenset(vocabulary) if vocabulary is not None else captions_words()
    known = _known(every)
    prompt = _JOINED.sub("", _TINTED.sub("", unicodedata.normalize("NFKC", prompt).lower()))
    found = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", prompt)
    found += [sign for sign in prompt if unicodedata.category(sign) == "So"]  # emoji
    found = [word if word in known else word.removesuffix("'s") for word in found]
    parts = (part for word in found for part in ([word] if word in known else word.split("-")))
    return list(
        dict.fromkeys(w for w in parts if w and w not in known and not w.isdigit() and not _is_motion(w, every))
    )


def _known(vocabulary: frozenset[str]) -> frozenset[str]:
    """Every word that has a meaning to an encoder of that vocabulary, or none in any sentence."""
    told = vocabulary | words.FILLERS
    known = set(told | words.KNOWN_ALSO | COUNT_OF.keys())
    for table in (COLOUR_OF, SIZE_OF, _SHADES):
        known |= {word for word, key in table.items() if key in vocabulary}
    known |= {part for name, key in SHAPE_OF.items() if set(key.split()) <= vocabulary for part in name.split()}
    for also, phrases in (
        (words.ALSO_GROUNDS, words.GROUND_PHRASES),
        (words.ALSO_LIGHTS, words.LIGHT_PHRASES),
        (words.ALSO_STYLES, words.STYLE_PHRASES),
    ):
        known |= {word for word, key in also.items() if set(phrases[key][0].split()) <= told}
    tables = (words.GROUND_PHRASES, words.LIGHT_PHRASES, words.STYLE_PHRASES)
    phrased = {word for t in tables for choices in t.values() for phrase in choices for word in phrase.split()}
    return frozenset(known - (phrased - told))


def content_words() -> list[str]:
    """The words that name something to see: what a slip may have meant."""
    tables = (COLOUR_OF, words.ALSO_GROUNDS, words.ALSO_LIGHTS, words.ALSO_STYLES)
    phrases = [p for t in (words.GROUND_PHRASES, words.LIGHT_PHRASES) for choices in t.values() for p in choices]
    single = {name for name in SHAPE_OF if " " not in name} | {word for table in tables for word in table}
    return sorted(single | {w for phrase in phrases for w in phrase.split() if len(w) > 3 and w not in words.FILLERS})


def _is_motion(word: str, vocabulary: frozenset[str]) -> bool:
    """Whether a word is a form of a verb of motion, of which or of another verb for it the vocabulary has a form."""
    plain = plainly(word)
    key = next((key for key, pattern in (*TOWARD, *MOTIONS, ("left", GO)) if re.fullmatch(pattern, plain)), None)
    phrases = words.MOTION_PHRASES[key] if key else ()
    verbs = {verb.removesuffix("e") for phrase in phrases for verb in re.findall(r"\{(\w+)\}", phrase)}
    return any(other.startswith(verb) for verb in verbs for other in vocabulary) or any(
        re.fullmatch(rf"{stem}\w?(?:e?s|ing|ed|e|y|ies|ying|en)?", word)
        and any(other.startswith(stem) for other in vocabulary)
        for stem in words.MOTION_STEMS
    )


def _mended(text: str, notes: list[str]) -> str:
    """The text with slips of the keyboard put right, each with a note."""
    known = content_words()
    for word in unknown_words(text):
        meant = next((other for other in known if _slip(word, other)), None)
        if meant is not None:
            notes.append(f"{word!r} is read as {meant!r}.")
            text = re.sub(rf"\b{re.escape(word)}\b", meant, text)
    return text


def _slip(typed: str, meant: str) -> bool:
    """Whether two letters changed places, one was doubled or not, or (in longer words) one is missing, though not the
    first: `rains` is no slip of `trains`, nor `lower` of `flower`."""
    if len(typed) < 3 or not typed.isalpha():
        return False
    if len(typed) == len(meant):
        differ = [i for i, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b]
        return (
            len(differ) == 2
            and differ[1] == differ[0] + 1
            and typed[differ[0]] == meant[differ[1]]
            and typed[differ[1]] == meant[differ[0]]
        )
    long, short = (typed, meant) if len(typed) > len(meant) else (meant, typed)
    if len(long) != len(short) + 1:
        return False
    at = next((i for i, letter in enumerate(short) if letter != long[i]), len(short))
    doubled = at > 0 and long[at] == long[at - 1]
    return long[:at] + long[at + 1 :] == short and (doubled or (long is meant and len(typed) > 3 and at > 0))


def _shaded(text: str, notes: list[str]) -> str:
    """Colours that the world lacks become the nearest that it has, with a note; the grey wall stays, and so does what
    is named like its colour, "a lime rolls"."""

    def nearest(found: re.Match[str]) -> str:
        shade, rest = found[0], found.string[found.end() :]
        solid = re.match(rf"(?: [a-z]+){{0,2}}? (?:{_SOLID}|colou?red)\b", rest)
        thing = found.string[: found.start()].endswith(("a ", "an ", "the ")) and _NO_NOUN.match(rest)
        if (shade in _LIKENED and not solid) or thing:
            return shade
        notes.append(f"{shade!r} is not among the colours of the bundled model; {_SHADES[shade]} is nearest.")
        return _SHADES[shade]

    text = _JOINED.sub("", _TINTED.sub("", text))
    return re.sub(rf"\b(?:{'|'.join(_SHADES)})\b(?! wall)(?! ground of the moon)", nearest, text)


def _placed_colours(text: str, notes: list[str]) -> str:
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


def _told_apart(text: str, notes: list[str]) -> str:
    """The text with a noun for each colour of "red and blue balls", and a note where one thing is to have several."""

    def listed(found: re.Match[str]) -> str:
        colours = re.findall(rf"\b(?:{_COLOUR})\b", found["colours"])
        begins = re.match(r"(?:an?|the) ", found["colours"])
        if found["again"] and not begins:  # "a ball, red and a blue cube"
            return found[0]
        if found["noun"] not in PLURAL_WORDS and begins and not found["again"]:
            notes.append(f"{' and '.join(colours)!r}: the bundled model gives a thing one colour.")
            return f"a {colours[0]} {found['noun']}"
        return _each(colours, found["noun"])

    def ones(found: re.Match[str]) -> str:
        colours = re.findall(rf"\b(?:{_COLOUR})\b", found["ones"])
        return _each(colours, found["noun"]) if found["noun"] in PLURAL_WORDS else found[0]

    def one_of(found: re.Match[str]) -> str:
        one = _one(found["noun"])
        rest = f"a {one}" if found["count"] in ("two", "2") else f"two {found['noun']}"
        return f"a {found['colour']} {one} and {rest}"

    def all_of(found: re.Match[str]) -> str:
        return re.sub(rf"\b(?={_NAME}\b)", f"{found['colour']} ", found["things"])

    text = _ONE_OF.sub(one_of, _ONES.sub(ones, text))
    text = _ANOTHER.sub(lambda m: f"{m['noun']}{m['between']} {m['noun']}", text)
    return _ALL_OF.sub(all_of, _LIST.sub(listed, text))


def _each(colours: list[str], noun: str) -> str:
    """A thing of each colour."""
    return " and ".join(f"a {colour} {_one(noun)}" for colour in colours)


def _one(noun: str) -> str:
    """The singular of a noun's name."""
    if noun not in PLURAL_WORDS:
        return noun
    key = SHAPE_OF[noun]
    same = [name for name in SHAPE_OF if name not in PLURAL_WORDS and SHAPE_OF[name] == key]
    return min(same, key=lambda name: (not noun.startswith(name), abs(len(noun) - len(name))))


def _placed(text: str) -> str:
    """`A to the left of B` and `B on the right, A on the left` as `on the left A, on the right B`."""
    for said in _SAID_BY_SIDE:
        found = said.match(text)
        if found and all(re.search(rf"\b(?:{_NAME})\b", found[side]) for side in ("left", "right")):
            parts = found.groupdict("")
            left, right = parts["left"] + parts.get("rest", ""), parts["right"] + parts.get("more", "")
            return f"on the left {_with_article(left)}, on the right {_with_article(right)}"
    text = _ITS_SIDE.sub(r"\g<two> to the \g<side> of \g<one>", text)
    text = _SIDE_FIRST.sub(r"\g<one> to the \g<side> of \g<two>", text)
    found = _SIDE.search(text)
    if found is None or not text[: found.start()].strip():
        return text
    one, two = (_with_article(part.strip(" ,")) for part in (text[: found.start()], text[found.end() :]))
    left, right = (one, two) if found["side"] == "left" else (two, one)
    return f"on the left {left}, on the right {right}"


def _with_article(clause: str) -> str:
    first = clause.split(" ", 1)[0]
    return clause if first in {"a", "an", "the", "one"} or first in COUNT_OF else f"a {clause}"


def _directed(text: str, seed: int, way: str) -> str:
    """Something goes, and the text does not say where to: that way, or left or right."""
    found = re.search(rf"(?<!camera )(?:{GO})", text)
    if found is None or _DIRECTED.search(text) or re.match(r"hop|jump", found[0]):
        return text
    following = re.match(r" ([\w-]+)", text[found.end() :])
    if (
        found[0].endswith("ing") and following and following[1] not in words.FILLERS
    ):  # "a rolling ball", "rolling hills"
        return text
    side = random.Random(f"side/{seed}").choice(("left", "right"))  # noqa: S311
    return f"{text[: found.end()]} {way or f'to the {side}'}{text[found.end() :]}"


def _count_notes(text: str, notes: list[str]) -> None:
    for found in _COUNTED.finditer(text):
        word = found["count"]
        if (int(word[:9]) if word.isdigit() else words.NUMBERS[word]) > MOST:
            notes.append(f"{word!r}: the bundled model shows at most {MOST} things of a kind.")
