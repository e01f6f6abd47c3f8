"""A prompt as people type it, made ready to be understood: slips mended, refusals taken out, loose wordings made plain.

rewrite("two balls, a red one and a blue one, no snow")
-> text "a red ball and a blue ball", negative "snow", notes ()
"""

import random
import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from . import words
from .captions import inflect
from .captions import vocabulary as captions_words
from .colours import COLOUR, JOINED, NAME, NOUN, SHADES, TINTED, one_of, own_colours, placed_colours, shaded, told_apart
from .goes_on import plainly
from .nouns import NOUNS
from .patterns import ANY_VERB, COLOUR_OF, COUNT_OF, GO, MOST, MOTIONS, PLURAL_WORDS, SHAPE_OF, SIZE_OF, TOWARD
from .slips import meant_by

__all__ = ["Rewritten", "knows_nouns", "rewrite", "unknown_words"]


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A prompt in plain words. negative: what it says must not be there. notes: what was changed, a sentence each."""

    text: str
    negative: str = ""
    notes: tuple[str, ...] = ()


_SIZE = "|".join(SIZE_OF)
_NUMBER = rf"(?:\d+|{'|'.join((*words.COUNT_WORDS.values(), *words.NUMBERS))})"
_AFFIRMED: tuple[tuple[str, str], ...] = (
    (r"\bhalf a dozen\b", "six"),
    (r"\bnothing (?P<where>(?:on|in|at|under) [a-z ]{1,30}?) (?:but|except(?: for)?) ", r"\g<where> "),
    (r"\b(?:nothing|none|no one)(?: else)? (?:but|except(?: for)?|other than|besides) ", ""),
    (r",? (?:(?:and|with) )?nothing else\b(?! (?:happens|moves|changes))", ""),
    (r"\b(?:not|no) (?:only|just|merely|simply) ", ""),
    (r"\bbut (?:also|too)\b", "and"),
    (r"\b(?:no|not) (?:more|less|fewer) than ", ""),
    (rf"\b(?:at least|at most|up to|about|around|roughly|approximately|nearly|almost) (?={_NUMBER}\b)", ""),
    (rf"\bbetween {_NUMBER} and (?={_NUMBER}\b)", ""),
    (r"\b(?:fewer|less) than three\b", "two"),
    (r"\b(?:fewer|less) than four\b", "three"),
    (r"\bmore than one\b", "two"),
    (r"\bmore than two\b", "three"),
    (r"\bmore than three\b", "four"),
    (r"\bnot far (?:away )?from\b", "near"),
    (r",? ?\b(?:no matter (?:what|how|where)|(?:with(?:out)? (?:no |an? |any )?|no )doubt)\b", ""),
)
"""negations that affirm what follows them, and what they come to"""
_LISTED: tuple[tuple[str, str], ...] = (
    (r"\b(NAME)\s*[:=]\s*(COLOUR)\b(?!(?:,| and|, and) (?:COLOUR)\b)", r"\2 \1"),
    (
        r"\b(?P<no>no|not) (?P<not>COLOUR) (?P<noun>NAME),? (?:but )?(?:only|just) (?P<colour>COLOUR)(?: ones?)?\b",
        r"\g<colour> \g<noun> \g<no> \g<not>",
    ),
    (r"\b(an?|the) not (?:very |too |so |that )?(COLOUR|SIZE) (NAME)\b", r"\1 \3 not \2"),
)
"""colours and sizes that are not told before their thing"""
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
        r"|delete|erase|get rid of|w/o(?:ut)?)\b:?",
        "without",
    ),
    (r"\bw/(?= )", "with"),
    (r"\bnon[- ](COLOUR) (NAME)\b", r"\2 not \1"),
    (r"\b(?:anything|everything|all) (?:but|except)(?: for)? ", "no "),
    (r"\bneither (?:an? |the )?([a-z' -]+?) nor ", r"no \1, no "),
    (r"(?<![\w.,:])(?:zero|0)(?= [a-z])", "no"),
)
"""other ways to say that something must not be there, and what they come to"""
_NO_ITEM = rf"(?:{'|'.join(words.COUNT_WORDS.values())}|an?|the|with|on|in|at|under|{ANY_VERB})\b"
_ITEM = rf"(?!{_NO_ITEM})[a-z][a-z'-]*(?: [a-z'-]+)?"
_NONE_OF = re.compile(
    rf"\b(?:(?P<no>no|not|never) (?P<none>{_ITEM}(?:, {_ITEM})*),? n?or"
    rf"|(?P<without>without)(?: any)? (?P<all>{_ITEM}(?:, {_ITEM})*),? (?:and|n?or))"
    rf" (?P<last>{_ITEM})(?=\s*[,.;!]|\s*$)"
)
"""several things that must not be there: "no fog, snow or rain", "without fog and snow\""""
_REFUSED = re.compile(
    r"(?:,\s*|\s+and\s+|\s+but\s+|\s+)?(?:\b(?:that|which)\s+(?:is|are)\s+)?"
    r"\b(?:not(?!\s+mov)|no(?!\s+camera)|without|nothing|never)\b\s+(?:(?:any|an?|the|at|in)\s+)?"
    r"(?P<what>(?!mov)[a-z][a-z' -]*?)(?=\s*[,.;!]|\s*$|\s+(?:and|but|on|in|at|with|under|while)\b)"
)
_SIDE = re.compile(
    r"\s*(?:\b(?:is|are|stands?|sits?)\s+)?\b(?:to the|on the|at the)?\s*(?P<side>left|right)(?: side)? (?:of|from)\s+"
)
_SIDE_FIRST = re.compile(
    r"^(?:to the|on the|at the)?\s*(?P<side>left|right)(?: side)? of (?P<two>[^,]+?)(?:,| there)?"
    r" (?:is|are|stands?|sits?) (?P<one>.+)$"
)
_THERE = r"(?:(?:on|at|to) the )?{side}(?: side)?"
_AT_REST = rf"(?:(?!\b{ANY_VERB}\b)[\w' -])+"
_SAID_BY_SIDE: tuple[re.Pattern[str], ...] = (
    re.compile(
        rf"^{_THERE.format(side='left')}: ?(?P<left>.+?)[,;]? (?:and )?{_THERE.format(side='right')}: ?(?P<right>.+)$"
    ),
    re.compile(
        rf"^{_THERE.format(side='right')}[:,]? ?(?P<right>.+?)[,;]? (?:and )?{_THERE.format(side='left')}[:,]? ?"
        r"(?P<left>.+)$"
    ),
    re.compile(rf"^(?P<left>{_AT_REST}) left(?:[,;]| and)+ (?P<right>{_AT_REST}) right$"),
    re.compile(rf"^(?P<right>{_AT_REST}) right(?:[,;]| and)+ (?P<left>{_AT_REST}) left$"),
    re.compile(
        r"^(?P<right>.+?) (?:on|at) the right(?: side)?\b(?P<more>.*?)(?:[,;]| and)+ (?P<left>.+?) (?:on|at) the left"
        r"(?: side)?\b(?P<rest>.*)$"
    ),
)
"""two things, each with its side, in another order than captions tell them"""
_ITS_SIDE = re.compile(r"^(?P<one>.+?),? (?:and )?(?:to|on|at) its (?P<side>left|right)(?: side)?,? (?P<two>.+)$")
_SOLID = "|".join(name for name, shape in SHAPE_OF.items() if shape in words.SHAPE_WORDS and name not in PLURAL_WORDS)
_SOLIDS = "|".join(name for name, shape in SHAPE_OF.items() if shape in words.SHAPE_WORDS and name in PLURAL_WORDS)
_PAIR = (
    r"^(?:(?:the )?two (?P<alike>(?:[a-z]+ ){0,2}?)(?P<many>SOLIDS)"
    r"|(?P<one>(?:an?|the|one) (?:[a-z]+ ){0,3}?(?:SOLID)) and (?P<two>(?:an?|the|one) (?:[a-z]+ ){0,3}?(?:SOLID)))"
)


def _both(said: str) -> Callable[[re.Match[str]], str]:
    """What two things do to one another, with each of them where `said` has a blank."""

    def each(found: re.Match[str]) -> str:
        one = f"a {found['alike']}{one_of(found['many'])}" if found["many"] else ""
        return said.format(one=found["one"] or one, two=found["two"] or one)

    return each


_TOGETHER: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (
        r"^(?:the )?two (?P<alike>(?:[a-z]+ ){0,2}?)(?P<many>SOLIDS)\s*[:,;]? (?:of which )?one (?P<first>[a-z]+s\b.*?)"
        r"(?:,| and|, and|;) (?:the other|one|another)(?: one)? (?P<second>[a-z]+s\b.*)$",
        lambda m: f"a {m['alike']}{one_of(m['many'])} {m['first']}, a {m['alike']}{one_of(m['many'])} {m['second']}",
    ),
    (
        rf"{_PAIR} (?:{GO}) (?:towards?|to) (?:each other|one another)",
        _both("on the left {one} rolls to the right, on the right {two} rolls to the left"),
    ),
    (
        rf"{_PAIR} (?:{GO}) (?:apart|(?:away )?from (?:each other|one another))",
        _both("on the left {one} rolls to the left, on the right {two} rolls to the right"),
    ),
    (
        rf"{_PAIR} (?:collide|crash|bump|hit)(?: (?:into |with )?(?:each other|one another))?",
        _both("{one} rolls into {two}"),
    ),
)
"""what two things do to each other, as captions tell it of each"""
_CAMERA_AGAIN = re.compile(
    r"\b(?P<first>(?:camera (?:\w+ )?(?:pan|turn|tilt|look|move)|pan|tilt)(?:s|ning|ting|ing)? (?:to the )?"
    r"(?:left|right|up|down))(?P<more>,?(?: and)?(?: then)?(?: back)? (?:to the )?(?:left|right|up|down))\b"
)
_STACKED: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\b(?:right )?(?:on top of|atop|upon)\b", "above"),
    (
        r"(?<= )(NAME)((?: (?:stands|sits|rests|lies|is|standing|sitting|resting|lying))?) on"
        r" (?=(?:an?|the|one) (?:[a-z]+ ){0,2}?(?:SOLID)\b)",
        r"\1\2 above ",
    ),
    (
        r"^(?P<mid>.*?\b(?:NAME)\b[^,]*?),? (?:in )?between (?:two|both) (?P<ends>(?:[a-z]+ ){0,2}?)(?P<many>SOLIDS)\b",
        lambda m: f"a {m['ends']}{one_of(m['many'])}, {m['mid']}, a {m['ends']}{one_of(m['many'])}",
    ),
    (
        r"^(?P<mid>.*?\b(?:NAME)\b[^,]*?),? (?:in )?between (?P<left>(?:an?|the|one) (?:[a-z]+ ){0,3}?(?:NAME))"
        r" and (?P<right>(?:an?|the|one|another) (?:[a-z]+ ){0,3}?(?:NAME))\b",
        r"\g<left>, \g<mid>, \g<right>",
    ),
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
_NOBODY = (
    "it|they|he|she|we|you|i|who|which|that|what|this|these|those|ones?|each|other|another|everything|all|both|then|and"
    "|camera|pan|tilt|zoom|dolly|crane|shot|view|scene|clip|video|drone|lens|things?|objects?|shapes?|motion|movement"
)
_OTHER_MOVES = re.compile(
    rf"(?:^|[,.;] |\b(?:while|as|and) )(?P<said>(?:(?:an?|the|some|many|few|two|three) )?"
    rf"(?:(?!(?:{NAME}|camera|on|in|at)\b)[\w-]+ )?"
    rf"(?P<who>(?!(?:{NAME}|{COLOUR}|{'|'.join(SIZE_OF)}|{_NOBODY})\b)[a-z]+)"
    rf" (?:is |are )?(?:\w+ly )?{ANY_VERB}(?: (?:\w+ly|down|up|off|out|back))*)(?:"
    r" (?:on|onto|upon|in front of|behind|over|above|around|across|past|from|through|near|next to|beside|towards?|at"
    r"|against|into|by|(?:down )?on top of)|,| (?:while|as|and)) "
    rf"(?=(?:(?:an?|the|one|two|three|four|some|both) )?(?:[\w-]+ ){{0,3}}?(?:{NAME})\b)"
)
"""something that has no name here, and what it does to a thing or beside it"""
_LIVING_VERBS = {
    "fly": "soar flutter flap", "crawl": "creep slink", "swim": "dive paddle", "stay": "hover",
    "rest": "sleep nap doze",
    "walk": "wander march waddle strut stride tiptoe",
}  # fmt: skip
"""verbs of living and made things that captions do not use, beside one that says it"""
_OF_NOUNS: tuple[tuple[str, str], ...] = (
    *(
        (rf"\b{verb.removesuffix('e')}{verb[-1]}?e?(?P<form>s|ing|ed|d)?\b", plain)
        for plain, verbs in _LIVING_VERBS.items()
        for verb in verbs.split()
    ),
    (r"\bparked\b", "standing"),
    (r"\b(ice creams?) cones?\b", r"\1"),
    (r"\bbite[- ]marks?\b", "bite"),
    (r"\b(?:sea|ocean)[- ]?bed\b|\b(?:sea|ocean)floor\b", "sea floor"),
    (r"\b(?:coast|coastline|shore|seashore|seaside)\b", "beach"),
    (rf"\b((?:two|three|four|[234]) (?:(?:{'|'.join(SIZE_OF)}) )?star)s\b", r"\1"),  # things, and no night
)
"""other wordings of what weights that know nouns know, and what they come to"""
_RIDES = re.compile(
    rf"\b(?:(?:is|are) )?(?P<how>(?:riding|rides?|rode)(?: on)?|on)"
    rf"(?= (?:an?|the|one) (?:(?!(?:{NAME})\b)[\w-]+ )?(?:{NOUN})\b(?! (?:road|side|top)\b))"
)


def knows_nouns(vocabulary: Collection[str] | None) -> bool:
    """Whether weights with a text encoder of that vocabulary know living and made things beside the solids."""
    return vocabulary is not None and not NOUNS.keys().isdisjoint(vocabulary)


def rewrite(prompt: str, seed: int = 0, way: str | None = "", *, nouns: bool = False, alone: bool = False) -> Rewritten:
    """The prompt in plain words. Where something goes and no direction is said it goes that `way` ("to the left"), one
    that the seed chooses where that is empty, or, with None, it is not said where to. nouns: for weights that know
    living and made things; alone: for weights of which it is known that they know solids alone, so that no slip is read
    as another thing."""
    prompt = unicodedata.normalize("NFKC", prompt).lower().replace("’", "'")
    text = re.sub(r"\s+", " ", re.sub(r"[\"“”()\[\]_]", " ", prompt)).strip(" ,.;!")
    text = re.sub(
        r"[a-z]+(?:-[a-z]+)+", lambda m: m[0] if m[0] in _known(captions_words()) else m[0].replace("-", " "), text
    )
    text = re.sub(rf"\b({NAME})(?:'s|')(?! eye\b)(?=\s|$)", r"\1", text)
    for said, plain in (*_AFFIRMED, *_LISTED, *_NEGATED):
        text = re.sub(said.replace("COLOUR", COLOUR).replace("SIZE", _SIZE).replace("NAME", NAME), plain, text)
    text, refused = _without_refusals(re.sub(r"\s+", " ", text).strip(" ,"))
    notes: list[str] = []
    text = _mended(text, notes, nouns=not alone)
    if nouns:
        text = own_colours(_ridden(_of_nouns(text), notes), notes)
    text = _others_motion(text, notes)
    text = shaded(re.sub(r"\b(?:beach (?=balls?\b)|ice cream (?=cones?\b))", "", text), notes)
    if re.search(r"\b(?:a|an|the|oil) paintings?\b", text):
        notes.append("'painting' is not among the styles of the bundled model.")
    text = re.sub(r"\s*(?:\+|&|\bplus\b)\s*", " and ", text)
    text = told_apart(placed_colours(text, notes), notes)
    if nouns:
        text = own_colours(text, notes)
    elif _ORBIT.search(text):
        text = _ORBIT.sub("and ", text) + " circle around each other"
    text = _CAMERA_AGAIN.sub(partial(_once, notes=notes), text)
    for said, meant in (*_TOGETHER, *_STACKED):
        pattern = said.replace("NAME", NAME).replace("SOLIDS", _SOLIDS).replace("SOLID", _SOLID)
        text = re.sub(pattern, meant, text)
    text = _placed(text)
    _count_notes(text, notes)
    text = text if way is None else _directed(text, seed, way)
    return Rewritten(text=text, negative=", ".join(refused), notes=tuple(dict.fromkeys(notes)))


def _others_motion(text: str, notes: list[str]) -> str:
    """The text without what something moves that has no name here, with a note: the leaves that fall on a ball."""
    found = _OTHER_MOVES.search(text)
    if found is None:
        return text
    notes.append(f"{found['said'].strip()!r}: the bundled model moves only things that it knows.")
    kept = "" if _is_motion(found["who"], captions_words()) else f"{found['who']}, "
    return text[: found.start("said")] + kept + text[found.end() :]


def _once(found: re.Match[str], notes: list[str]) -> str:
    """The first of two ways that the camera is to move, with a note."""
    notes.append(f"{found['more'].strip(' ,')!r} is left out: the bundled model shows one motion of the camera.")
    return found["first"]


def _each_refused(found: re.Match[str]) -> str:
    """Several things that must not be there, each with its own `no`."""
    items = [*re.split(", ", found["none"] or found["all"]), found["last"]]
    return ", ".join(f"{found['no'] or found['without']} {item}" for item in items)


def _without_refusals(text: str) -> tuple[str, list[str]]:
    """The text without what it says must not be there, and that. `not moving` stays: it is a way to stand."""
    text = _NONE_OF.sub(_each_refused, text)
    refused = [found["what"].strip() for found in _REFUSED.finditer(text)]
    return re.sub(r"\s+", " ", _REFUSED.sub("", text)).strip(" ,.;"), refused


def unknown_words(prompt: str, vocabulary: Collection[str] | None = None) -> list[str]:
    """The words of a prompt that mean nothing to a text encoder of that vocabulary, in their order, each once; None:
    that this grammar does not know. A synonym is known where the word that stands for it in captions is."""
    every = frozenset(vocabulary) if vocabulary is not None else captions_words()
    known = _known(every)
    prompt = JOINED.sub("", TINTED.sub("", unicodedata.normalize("NFKC", prompt).lower()))
    if knows_nouns(vocabulary):
        prompt = _of_nouns(prompt)
    found = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", prompt)
    found += [sign for sign in prompt if unicodedata.category(sign) == "So"]  # emoji
    found = [word if word in known else word.removesuffix("'s") for word in found]
    parts = (part for word in found for part in ([word] if word in known else word.split("-")))
    return list(
        dict.fromkeys(w for w in parts if w and w not in known and not w.isdigit() and not _is_motion(w, every))
    )


def _of_nouns(text: str) -> str:
    """The text in the words of weights that know nouns."""

    def plain(found: re.Match[str], verb: str) -> str:
        form = found["form"] or ""
        return inflect(verb, "s" if form in ("s", "ed", "d") else form)

    for said, meant in _OF_NOUNS:
        text = re.sub(said, partial(plain, verb=meant) if "?P<form>" in said else meant, text)
    return text


def _ridden(text: str, notes: list[str]) -> str:
    """The text with what rides or is on a noun above it, with a note."""
    if found := _RIDES.search(text):
        notes.append(f"{found['how']!r}: the bundled model has seen no thing on another; it sets one above the other.")
    return _RIDES.sub("above", text)


def _known(vocabulary: frozenset[str]) -> frozenset[str]:
    """Every word that has a meaning to an encoder of that vocabulary, or none in any sentence."""
    told = vocabulary | words.FILLERS
    known = set(told | words.KNOWN_ALSO | COUNT_OF.keys())
    for table in (COLOUR_OF, SIZE_OF, SHADES):
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


def content_words(*, nouns: bool = True) -> list[str]:
    """The words that name something to see: what a slip may have meant. Without nouns those of the solids alone."""
    tables = (COLOUR_OF, words.ALSO_GROUNDS, words.ALSO_LIGHTS, words.ALSO_STYLES)
    phrases = [p for t in (words.GROUND_PHRASES, words.LIGHT_PHRASES) for choices in t.values() for p in choices]
    single = {name for name, key in SHAPE_OF.items() if " " not in name and (nouns or key not in NOUNS)} | {
        word for table in tables for word in table
    }
    return sorted(single | {w for phrase in phrases for w in phrase.split() if len(w) > 3 and w not in words.FILLERS})


def _is_motion(word: str, vocabulary: frozenset[str]) -> bool:
    """Whether a word is a form of a verb of motion, of which or of another verb for it the vocabulary has a form."""
    plain = plainly(word)
    key = next((key for key, pattern in (*TOWARD, *MOTIONS, ("left", GO)) if re.fullmatch(pattern, plain)), None)
    phrases = words.MOTION_PHRASES[key] if key else ()
    verbs = {verb.removesuffix("e") for phrase in phrases for verb in re.findall(r"\{(\w+)\}", phrase)}
    forms = re.compile(rf"(?:{'|'.join(map(re.escape, verbs))})\w?(?:e?s|ing|ed|e)?")
    return bool(verbs and any(map(forms.fullmatch, vocabulary))) or any(
        re.fullmatch(rf"{stem}{stem[-1]}?(?:e?s|ing|ed|e|y|ies|ying|en)?", word)
        and any(other.startswith(stem) for other in vocabulary)
        for stem in words.MOTION_STEMS
    )


def _mended(text: str, notes: list[str], *, nouns: bool) -> str:
    """The text with slips of the keyboard put right, each with a note."""
    known = content_words(nouns=nouns)
    for word in unknown_words(text):
        if (meant := meant_by(word, known)) is not None:
            notes.append(f"{word!r} is read as {meant!r}.")
            text = re.sub(rf"\b{re.escape(word)}\b", meant, text)
    return text


def _placed(text: str) -> str:
    """`A to the left of B` and `B on the right, A on the left` as `on the left A, on the right B`."""
    for said in _SAID_BY_SIDE:
        found = said.match(text)
        if found and all(re.search(rf"\b(?:{NAME})\b", found[side]) for side in ("left", "right")):
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
    if found is None or _DIRECTED.search(text) or _ORBIT.search(text) or re.match(r"hop|jump", found[0]):
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
