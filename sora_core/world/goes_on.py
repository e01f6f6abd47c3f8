"""What people say of a clip that goes on, in the words of captions.

plainly("the ball stops") -> "the ball stands still"
as_before("it turns back", "left") -> "it moves to the right"
"""

import re
from dataclasses import replace

from . import words
from .captions import Facts
from .patterns import GO, SIZE_OF

__all__ = ["WAYS", "as_before", "plainly", "returning"]

WAYS = {"left": "to the left", "right": "to the right", "closer": "toward the camera", "away": "away"}
"""motions that lead somewhere, in words"""
_BACK = {"left": "right", "right": "left", "closer": "away", "away": "closer"}
_CAMERA_BACK = {
    "pan left": "pan right", "pan right": "pan left", "tilt up": "tilt down", "tilt down": "tilt up",
    "dolly in": "dolly out", "dolly out": "dolly in",
}  # fmt: skip
_VERB = rf"(?:{'|'.join(words.MOTION_STEMS)})\w*"
_BEGINS = r"(?:starts?|begins?|continues?|keeps?|goes on|go on|carries on|carry on)(?: on)?"
_NOT_CAMERA = r"(?<!camera )(?<!camera slowly )(?<!camera then )"
_NEVER = r"\b(?:never|cannot|(?:ca|wo|does|do)n['’]?t|(?:does|do|can|will) not)(?: ever)? (?:stops?|pauses?|halts?)\b"
_FROM = r"(?: in)? from (?:the )?{}(?: side)?(?! to (?:the )?(?:{}|camera))\b"
_TO_MIDDLE = r"(?: to (?:the )?(?:middle|cent(?:er|re))\b)?"
_VERBS = {
    "jump": "leap skip", "spin": "whirl pirouette revolve", "fall": "descend plunge plummet", "rise": "ascend",
    "run": "dash rush scoot scurry cruise sprint jog stroll trot skid slither speed tumble",
}  # fmt: skip
"""verbs that captions do not use, beside one that says it"""
_PLAIN: tuple[tuple[str, str], ...] = (
    *(
        (rf"\b{verb.removesuffix('e')}{verb[-1]}?e?(s|ing|ed|d)\b(?! up\b)", rf"{plain}\1")
        for plain, verbs in _VERBS.items()
        for verb in verbs.split()
    ),
    (
        r"^(?:please )?(?:draw|paint|sketch|render|animate|film|imagine)(?: me| us)? "
        r"(?=(?:an?|the|one|two|three|four)\b)",
        "",
    ),
    (r"\bcan (?=(?:you|we|i|u|it|they|there|be|also)\b)", ""),
    *((rf"\b({who}) can\b(?!['’])", r"\1") for who in ("you", "we", "i", "it", "they", "that", "which")),
    (r"\b(?:without (?:any )?|no )(?:moving|movement|motion)\b", "standing still"),
    (r"\bin (?:the |total |complete )?dark(?:ness)?(?=\s*(?:$|[,.;]| and\b| with\b| on\b))", "at night"),
    (r"\b(?:at |in )?(?:the )?blue hour\b", "at dusk"),
    (r"\bcam\b", "camera"),
    (
        r"(?:^|(?<=[,.;:] ))(?:(?:an?|the|slow|smooth|full|camera|\d+(?:°|[ -]?degrees?)?) )*"
        r"(?:(?:orbit(?:al|ing)?|arc) (?:shot|view|camera|move(?:ment)?)|orbit)"
        r"(?: (?:left|right|slowly|clockwise))?(?: (?:around|of|about))?"
        r"(?: (?=(?:an?|the|one|two|three|four)\b)|(?=\s*(?:$|[,.;])))"
        r"|^orbiting (?:around )?(?=(?:an?|the|one|two|three|four)\b[^,]*$)",
        "the camera orbits the scene, ",
    ),
    (
        r"(?:^|(?<=[,.;:] )|(?<=whip |slow |fast ))pan(?:ning shot)? (?:across|over|to|around|along)"
        r" (?!(?:the )?(?:left|right)\b)",
        "the camera pans right, ",
    ),
    (r"\b(?:in|into|towards?) (?:the )?(?:direction of (?:the )?)(left|right)\b", r"to the \1"),
    (r"\b(?:in|into|to) (?:the )?(left|right) direction\b", r"to the \1"),
    (rf"({GO}) up (?:in |to |in to )?the (?:sky|air)\b", r"\1 up into the sky"),
    (
        r"\bfrom (?:the )?(left|right)(?: side)?(?: of (?:the )?(?:picture|frame|screen|image))? (?:to|until|till)"
        r" (?:the )?(left|right)(?: side)?\b",
        r"from \1 to \2",
    ),
    (r"\bso{2,}\b", "so"),
    (
        r"\b(?:turn|change|go|fade|shift|morph)(?:e?s|ing)?(?: (?:its |their )?colou?rs?)? from"
        r" (?!left\b|right\b|an?\b|the\b|one\b|side\b|top\b)(\w+) (?:in)?to (\w+)",
        r"is \1, then \2",
    ),
    (rf"\bas ({'|'.join(SIZE_OF)}) as (?:an? |the )?[\w-]+", r"which is \1"),
    (r"(?<=camera )trucks?\b", "slides"),
    (r"\b(?:view|viewpoint|shot) (?=(?:pans|turns|moves|tilts|zooms|looks|orbits|circles|follows)\b)", "camera "),
    (r"\bpass(?:es|ing)? (?:by|past|through(?! the wall)|across|the (?:camera|viewer))\b", "moves"),
    (r"\b(?:swimming|rolling|running|flying|floating|walking) (?=(?:pool|hills?|track|carpet|islands?|clouds?)\b)", ""),
    (r"\bpass(?:es|ing)? (?=(?:an?|the|one) (?!wall\b|gr[ae]y wall\b))", "moves beside "),
    (r"\brecedes?\b", "moves away"),
    (r"\breceding\b", "moving away"),
    (r"\b(?:zoom|whizz?|shoot)(?:s|ing|es)?(?= (?:past|by|off|across|away|along|left|right|to the)\b)", "moves"),
    (rf"(?:\b(?:that|which) )?{_NEVER} (?=\w+ing\b)(?!moving)", ""),
    (rf"{_NEVER}(?: moving)?", "keeps moving"),
    (r",? without (?:ever )?(?:stopping|pausing|(?:an? )?(?:stop|pause|end|rest))\b", ""),
    (r"\b(?:non|never)[- ]?(?:stop|ending)\b", ""),
    (r"\b(?:the )?(?:night|darkness) (?:falls|comes|is falling)\b|\bthe moon (?:rises|comes (?:up|out))\b", "at night"),
    (r"\bthe sun comes out\b", "at noon"),
    (r"\bit (?:gets|grows|turns|becomes|is getting|goes) dark\b", "at night"),
    (r"\b(?:the )?sun (?:sets|goes down|is setting|rises|comes up|is rising)\b", "at sunset"),
    (r"\b(?:the )?(?:morning (?:comes|breaks)|(?:day|dawn) breaks)\b", "at sunset"),
    (r"\b(?:the )?snow (?:falls|is falling|comes down)\b", "it is snowing"),
    (r"\b(?:the |some |thick )?(?:fog|mist) (?:rolls in|comes in|comes up|rises|settles|gathers)\b", "in fog"),
    (
        rf"{_NOT_CAMERA}\b(?:(?:has |have |had )?stopped|stops?\b|halts?\b"
        r"|comes? to (?:a |an )?(?:full |complete )?(?:stop|halt|standstill|rest))"
        r"(?: (?:moving|going|there)\b| \w+ing\b)?",
        "stands still",
    ),
    (rf"{_NOT_CAMERA}\b(?:freezes?|pauses?|waits?|(?:keeps?|holds?) still)\b", "stands still"),
    (
        rf"{_NOT_CAMERA}\b(?:(?:do|should|must|shall|will|may|need)(?:n't| not)|won't|is not to|never) move\b"
        r"(?! the camera)",
        "stands still",
    ),
    (r"\bstays? (?:where \w+ (?:is|are)|put|there|as (?:it is|they are))\b", "stands still"),
    (r"\bremains?(?: still| there)?\b(?! (?:the same|unchanged|as))", "stands still"),
    (r"\bnothing (?:else )?(?:happens|moves|changes)\b", "stands still"),
    (rf"({GO}){_FROM.format('left', 'right')}{_TO_MIDDLE}", r"\1 to the right"),
    (rf"({GO}){_FROM.format('right', 'left')}{_TO_MIDDLE}", r"\1 to the left"),
    (r"\b(?:comes?|coming|enters?|entering|appears?)(?: in)? from the left(?: side)?(?! to)\b", "moves to the right"),
    (r"\b(?:comes?|coming|enters?|entering|appears?)(?: in)? from the right(?: side)?(?! to)\b", "moves to the left"),
    (r"(?<=camera )(?:stops?|halts?)(?: moving)?\b", "does not move"),
    (rf"{_NOT_CAMERA}\bturns? (?:to (?:the |its )?)?(left|right)\b", r"moves to the \1"),
    (r"\b(?:gets?|draws?|getting|drawing) (?:closer|nearer|near)\b", "comes closer"),
    (rf"\b{_BEGINS} (?:to )?(?={_VERB}\b)(?!going\b|moving\b)", ""),
)  # fmt: skip
_IMPERATIVE = re.compile(
    r"^(?:please )?(?:(?:turn|change|make|transform|convert|set|put|render|show|paint|colou?r) (?:it|this|them"
    r"|everything|the (?:clip|video|scene|whole thing))(?: (?:in|on|into|to|as|look like))?|add|with)\s+"
    r"(?!(?:an?|the|one|two|three|some) )(?!\w+ing\b)"
)
_WHOLE = re.compile(
    r"^(?:an? )?(?:smooth |seamless |perfect |gentle )*(?:loop|transition|morph|blend|crossfade|dissolve)s?"
    r"(?: (?:back )?(?:to|between|from)(?: (?:the|its|both|two|one|first|second|start|beginning|end|clips?|videos?"
    r"|scenes?|other|to|and))+)?$"
    r"|^(?:(?:keeps?|everything|all|it|leave) )*(?:(?:stays?|remains?|is) )?(?:everything |it |all )?"
    r"(?:unchanged|(?:just |exactly )?(?:the )?same(?: as (?:before|it (?:is|was)))?|as (?:is|it is|it was|before))$"
)
_SAME = re.compile(
    r"\b(?:(?:just )?(?:continues?|proceeds?|keeps?(?: on)? (?:going|moving)|(?:goes|go|carries|carry|moves?) on"
    r"(?! (?!(?:and|like|as|in the same|to the (?:left|right)|for a|further|straight)\b)))"
    r"|(?:some )?more of (?:the same|it|this)|(?:just )?the same(?: again)?|as before|further|onwards?"
    r"|(?:the )?same (?:thing|scene|clip|video|shot))"
    r"(?: (?:and on|like (?:this|that|before)|as (?:before|it (?:is|was|does|did))|in the same (?:way|direction)"
    r"|the same way|on (?:its|their) way|straight(?: on| ahead)?|further|onwards?|for a while))*(?=[\s,.;!]|$)"
)
_AROUND = re.compile(
    rf"\b(?:turns? (?:around|back)|reverses?(?: (?:its |their )?(?:direction|course))?|changes? direction|heads? back"
    rf"|(?:{GO}|comes?) (?:back(?! and forth)|the other way)|returns?)"
    rf"(?:,? and (?:{GO}|comes?|heads?) (?:back|the other way))?(?: again)?(?! (?:to the )?(?:left|right))"
)
_OUT = re.compile(r"\b(?:leav|exit|out of|behind|wall)")


def plainly(prompt: str) -> str:
    """A lower-case prompt with everyday words of what happens as captions have them."""
    for said, plain in _PLAIN:
        prompt = re.sub(said, plain, prompt)
    return prompt


def as_before(prompt: str, motion: str = "") -> str:
    """A lower-case prompt about a clip whose thing has that motion (a key of MOTION_PHRASES, empty where it is not
    known): without the words that all goes on, and with the way back where it turns. Empty where no more is said."""
    prompt = _SAME.sub("", _WHOLE.sub("", _IMPERATIVE.sub("", prompt.strip(" .!"))))
    if motion in _BACK and not _OUT.search(prompt):
        prompt = _AROUND.sub(f"moves {WAYS[_BACK[motion]]}", prompt)
    prompt = re.sub(r"\s+(?=[\s,.;!]|$)", "", prompt).strip(" ,.;!")
    return "" if prompt in ("it", "they", "and", "just") else prompt


def returning(facts: Facts) -> Facts:
    """What a clip shows, on the way from its end to its beginning: what goes somewhere comes back."""
    things = tuple(replace(thing, motion=_BACK.get(thing.motion, thing.motion)) for thing in facts.things)
    return replace(facts, things=things, camera=_CAMERA_BACK.get(facts.camera, facts.camera))
