"""Short prompts to captions like those the bundled model was trained on, and what it knows.

expand("red ball rolling left")
-> "the camera is static while a red ball rolls left in the desert at sunset. natural style."
"""

import difflib
import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..emphasis import emphasised, weighted
from . import words
from .captions import GOING_ON, Facts, ThingFacts, caption
from .colours import COLOUR, NAME
from .complete import completed, named, way_of
from .copied import uncopied
from .goes_on import as_before, plainly
from .nouns import GAIT_VERBS, NOUNS, plural
from .patterns import COLOUR_OF, GO, MOTIONS, SIZE_OF, TOWARD
from .rewrite import content_words, knows_nouns, rewrite, unknown_words
from .understand import Understood, understand
from .unseen import (
    NOTHING_SHOWN,
    apart_note,
    count_note,
    going_note,
    left_out,
    relation_note,
    speed_note,
    then_note,
    unseen,
)

__all__ = ["Expansion", "expand", "expanded", "expanded_about", "unknown_note", "unknown_words"]

GOING = ("roll", "slid", *(verb.removesuffix("e")[:4] for verb in GAIT_VERBS), "flie", "runn", "swim", "fly")
"""Beginnings of the verbs that a caption says with a thing's own verb of going."""
MOST_PLACES = 3
"""things that a caption tells one by one"""
UNTOLD = (
    "the prompt says nothing of its own, and what the clip shows cannot be told for sure: say what the clip shows to"
    " steer it. What the bundled model never learned, like the real world, loses its shape."
)
LONGEST = 2000
"""letters of a prompt that are read; a caption holds some 64 words"""
_CHANGES = re.compile(
    r"[,.;]?\s*(?:\band\s+)?\b(?:then\b(?! (?:back )?(?:to the )?(?:left|right|up|down)\b)"
    r"|turns? into|turning into|becomes?|followed by"
    r"|changes? (?:(?:its |their )?colou?rs? )?(?:in)?to"
    r"|(?:morphs|transforms|transitions|fades) (?:in)?to|(?:a )?cut to"
    rf"|turn(?:s|ing)?(?= (?:{'|'.join(COLOUR_OF)})\b)"
    r"|turn(?:s|ing)? to(?= (?:day|night|noon|sunset|dusk|dawn|evening|fog|snow)\b))\b[,:]?\s*"
)
_MOVES = re.compile("|".join((GO, *(pattern for _, pattern in (*TOWARD, *MOTIONS)))))
_ABOUT_IT = re.compile(r"\b(?:it|them)\b")


_SIZE = "|".join(SIZE_OF)
_BEHIND = re.compile(
    rf"\b(?P<noun>{NAME}) \((?P<said>(?:(?:{_SIZE}),? )*(?:{COLOUR})(?:,? (?:{_SIZE}))*|(?:{_SIZE}))\)", re.IGNORECASE
)
"""a colour and sizes in brackets behind their thing: "the ball (red, small)\""""


def _before(found: re.Match[str]) -> str:
    return f"{found['said'].replace(',', '')} {found['noun']}"


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """What was made of a prompt: the caption, what must not be seen, and a sentence for each word that was changed."""

    caption: str
    negative: str = ""
    notes: tuple[str, ...] = ()


def expand(prompt: str, seed: int = 0) -> str:
    """The caption alone of `expanded`."""
    return expanded(prompt, seed).caption


def expanded(
    prompt: str,
    seed: int = 0,
    *,
    seen: Facts | None = None,
    about: bool = False,
    vocabulary: Collection[str] | None = None,
) -> Expansion:
    """A descriptive caption that keeps what the prompt says and fills in what it leaves out; the seed chooses what is
    filled in. What is not said to move stands still.

    about: the prompt is about a clip; seen: what that shows (`perception.seen`). What the prompt leaves out is as it is
    there, and where that is not known it is left out: the model sees the clip itself.

    What the bundled model does not know stays in the caption, in the prompt's own words. What the prompt refuses ("not
    red", "no snow") becomes the negative prompt. What changes in time follows after a "then". A word with a weight
    (`emphasis`) has it in the caption. vocabulary: the words of the text encoder that will read it; where they hold
    nouns, the weights have learned more of what two things do, and each of those things has its own colour.
    """
    cut = (f"only the first {LONGEST:,} letters of the prompt are read.",) if len(prompt) > LONGEST else ()
    prompt, refused, copied = uncopied(prompt[:LONGEST])
    parts = weighted(_BEHIND.sub(_before, prompt))
    text, nouns = "".join(part for part, _ in parts), knows_nouns(vocabulary)
    made = _expanded(
        text, seed, seen, about=about or seen is not None, nouns=nouns, alone=vocabulary is not None and not nouns
    )
    caption_, lost = emphasised(made.caption, parts)
    notes = [f"the weight of {word!r} is lost, since the caption does not say it" for word in lost]
    negative = ", ".join(filter(None, (made.negative, refused)))
    if vocabulary is not None and (gone := _gone(text, f"{made.caption} {negative}", vocabulary)):
        notes.append(unknown_note(gone, vocabulary))
    return replace(made, caption=caption_, negative=negative, notes=(*cut, *copied, *made.notes, *notes))


def expanded_about(
    prompt: str, seed: int, seen: Sequence[Facts | None], vocabulary: Collection[str] | None = None
) -> Expansion:
    """A caption for what goes on in clips of which these facts are seen, None where they are not known: the prompt
    completed by the first of them, or, without a prompt, what they show one after the other. Without any clip, the
    caption of a prompt alone."""
    known = [facts for facts in seen if facts is not None]
    if not seen or as_before(plainly(prompt.lower())):
        return expanded(prompt, seed, seen=known[0] if known else None, about=bool(seen), vocabulary=vocabulary)
    told = [caption(facts, "plain").rstrip(".") for facts in known if len(known) == len(seen)]
    return Expansion(caption=", then ".join(told) + ".") if told else Expansion(caption="", notes=(UNTOLD,))


def _expanded(prompt: str, seed: int, seen: Facts | None, *, about: bool, nouns: bool, alone: bool) -> Expansion:
    prompt = plainly(prompt.strip().lower())
    if about:
        prompt = as_before(prompt, seen.things[0].motion if seen is not None else "")
    first, *later = _CHANGES.split(prompt, maxsplit=1)
    if later and not first and not about:  # "cut to a blue cube"
        first, later = later[0], []
    way = None if about and seen is None else way_of(seen)
    plain = rewrite(first if seen is None else named(first, seen), seed, way, nouns=nouns, alone=alone)
    rng = random.Random(f"expand/{seed}")  # noqa: S311
    understood = _counted_out(understand(plain.text))
    if not nouns:
        understood = replace(understood, things=tuple(map(_in_its_own_way, understood.things)))
    after = rewrite(later[0], seed, nouns=nouns, alone=alone) if later else None
    told = understand(after.text) if after is not None else None
    moves = after is not None and bool(_MOVES.search(after.text))
    if told is not None and not understood.things:  # "day turns into night over a yellow cube"
        understood = replace(understood, things=told.things, stated=told.stated, relation=told.relation)
    elif (
        told is not None and moves and not about
    ):  # "a ball rolls left, then bounces on snow": the snow was there before
        understood = replace(understood, ground=understood.ground or told.ground, light=understood.light or told.light)
    said = understood
    if seen is not None:
        understood = completed(said, seen)
    unknown = unknown_words(plain.text)
    own = about and seen is None
    notes: tuple[str, ...] = ()
    in_own_words = _somewhere_unknown(plain.text, unknown) or (own and _ABOUT_IT.search(plain.text))
    if understood.things and not _tellable(understood) and (not nouns or understood.relation == "beside"):
        notes = (count_note(understood),)
    elif plain.negative and not about and words.FILLERS.issuperset(re.findall(r"[\w']+", plain.text)):
        notes = (NOTHING_SHOWN,)
    if understood.things and _tellable(understood) and not in_own_words:
        facts = _stated(understood) if own else _facts(understood, rng, nouns=nouns)
        if not nouns and unseen(understood):
            text = _set_apart(facts)
        else:
            # several come out best in the fewest words
            level = "plain" if own or several(understood) else "descriptive"
            text = caption(facts, level, seed, prefer=_said(plain.text))
        notes = left_out(understood) + (
            ()
            if nouns
            else relation_note(plain.text, understood) + apart_note(understood) + going_note(prompt, facts.things)
        )
        text = f"{text.rstrip('.')}. {', '.join(unknown)}." if unknown else text
    elif own:
        text = plain.text
    else:
        text = _appended(plain.text, said, understood, unknown, rng)
    then = ""
    if after is not None and told is not None:
        then, changes = _after(after.text, told, understood)
        notes += after.notes + (() if changes else (then_note(then),))
    notes = (*plain.notes, *speed_note(prompt), *notes)
    whole = (text.rstrip(" ,.") + then).strip(" ,")
    return Expansion(caption=whole and f"{whole}.", negative=plain.negative, notes=notes)


def _in_its_own_way(thing: ThingFacts) -> ThingFacts:
    """A noun that goes as its kind does, whatever was said."""
    noun = NOUNS.get(thing.shape)
    return thing if noun is None or thing.gait in noun.gaits else replace(thing, gait=noun.gaits[0])


def several(understood: Understood) -> bool:
    """Whether more than one thing is asked for."""
    return sum(thing.count for thing in understood.things) > 1


def _set_apart(facts: Facts) -> str:
    """A caption of two solids in a relation that keeps each what it is, by sides: without them both become one lump."""
    text = caption(replace(facts, relation="beside"), "plain")
    if any(thing.motion not in ("still", "") for thing in facts.things):
        return text
    return text.replace(" on the left and ", f" on the left {words.RELATION_PHRASES[facts.relation][0]} ", 1)


def _gone(prompt: str, read: str, vocabulary: Collection[str]) -> list[str]:
    """Words that these weights do not know and others do, "rain", and that are not in what is read, where they would be
    named."""
    kept = re.findall(r"[\w'-]+", read)
    return [word for word in unknown_words(prompt, vocabulary) if not unknown_words(word) and word not in kept]


def unknown_note(unknown: Sequence[str], vocabulary: Collection[str] | None = None) -> str:
    """One line that names words the model does not know, each with the nearest that it does where its vocabulary is
    given; empty where there are none."""
    named = []
    asked = unknown and vocabulary is not None
    known = [word for word in content_words() if asked and not unknown_words(word, vocabulary)]
    known += sorted(set(vocabulary or ()) - words.FILLERS - set(known)) if asked else []
    for word in unknown:
        near = difflib.get_close_matches(word[:40], known, n=2, cutoff=0.7)
        named.append(
            repr(word if len(word) <= 40 else f"{word[:40]}...") + (f" (nearest: {', '.join(near)})" if near else "")
        )
    return f"the model does not know {', '.join(named)}; `sora info` lists what it knows" if named else ""


def _said(text: str) -> frozenset[str]:
    """The words that were said, as captions have them: singular nouns, plain verbs."""
    said = frozenset(re.findall(r"[a-z]+", text))
    said |= {one for one, many in words.PLURALS.items() if many in said}
    said |= {name for noun in NOUNS.values() for name in noun.names if plural(name) in said}
    stems = {stem for stem in words.MOTION_STEMS if any(word.startswith(stem) for word in said)}
    phrases = [phrase for choices in words.MOTION_PHRASES.values() for phrase in choices]
    inner = {verb for phrase in phrases for verb in re.findall(r"\{(\w+)\}", phrase)}
    go = {"go"} if any(word.startswith(GOING) for word in said) else set()
    return said | {verb for verb in inner if any(verb.startswith(stem) for stem in stems - {"go"})} | go


def _counted_out(understood: Understood) -> Understood:
    """Several kinds of which one counts more than one ("two white balls and a black cube"), told one by one: captions
    count only things that are alike."""
    counts = [thing.count for thing in understood.things]
    if understood.relation != "beside" or max(counts, default=1) == 1 or sum(counts) > MOST_PLACES:
        return understood
    single = [(replace(thing, count=1), said) for thing, said in zip(understood.things, understood.stated, strict=True)]
    told = [pair for pair, count in zip(single, counts, strict=True) for _ in range(count)]
    return replace(understood, things=tuple(t for t, _ in told), stated=tuple(s for _, s in told))


def _tellable(understood: Understood) -> bool:
    """Whether a caption can say it all."""
    return len(understood.things) == 1 or (
        len(understood.things) <= MOST_PLACES and all(thing.count == 1 for thing in understood.things)
    )


def _somewhere_unknown(text: str, unknown: list[str]) -> bool:
    """Whether the place is a word of no meaning here: no second ground is put beside it."""
    places = "|".join(map(re.escape, unknown))
    return bool(unknown) and bool(re.search(rf"\b(?:on|in|at|over|inside|through) (?:the |an? )?(?:{places})\b", text))


def _facts(understood: Understood, rng: random.Random, *, nouns: bool) -> Facts:
    """The stated facts, and a choice where nothing was stated."""
    things = [
        thing if colour or thing.shape in NOUNS else replace(thing, colour=rng.choice(list(words.COLOURS)))
        for thing, (colour, _) in zip(understood.things, understood.stated, strict=True)
    ]
    things = [replace(t, motion=rng.choice(("left", "right"))) if t.motion == GOING_ON else t for t in things]
    ground, light = _place(things[0], understood, rng, nouns=nouns)
    return Facts(
        things=tuple(things), relation=understood.relation, ground=ground, light=light,
        style=understood.style or "natural", camera=understood.camera or "static", shot=understood.shot or "",
    )  # fmt: skip


def _stated(understood: Understood) -> Facts:
    """The stated facts alone."""
    things = [
        replace(thing, colour=thing.colour if colour else "", motion=thing.motion if motion else "")
        for thing, (colour, motion) in zip(understood.things, understood.stated, strict=True)
    ]
    return Facts(
        things=tuple(things), relation=understood.relation, ground=understood.ground or "",
        light=understood.light or "", style=understood.style or "natural", camera=understood.camera or "static",
        shot=understood.shot or "",
    )  # fmt: skip


def _place(thing: ThingFacts, understood: Understood, rng: random.Random, *, nouns: bool) -> tuple[str, str]:
    """Ground and light: what is said, else where such a thing belongs."""
    noun = NOUNS.get(thing.shape)
    ground, light = understood.ground, understood.light
    if light is None:
        belongs = noun.lights if noun is not None and ground in (None, *noun.grounds) else ()
        light = {"seabed": "underwater", "moon": "space"}.get(ground or "") or (
            belongs[0] if belongs else "noon" if several(understood) else rng.choice(("noon", "noon", "noon", "sunset"))
        )
    if ground is None:
        fixed = {"underwater": "sand", "space": "moon"}.get(light)
        if nouns and light == "underwater" and noun is not None and "seabed" in noun.grounds:
            fixed = "seabed"
        usual = noun.grounds if noun is not None and noun.grounds else ("grass", "sand", "wood")
        ground = fixed or rng.choice([g for g in usual if g not in ("seabed", "moon")] or ["grass"])
    return ground, light


def _appended(text: str, said: Understood, understood: Understood, unknown: list[str], rng: random.Random) -> str:
    """The prompt in its own words, and after them what it leaves out, as it is understood."""
    if said.ground is None and not _somewhere_unknown(text, unknown):
        text += " " + words.GROUND_PHRASES[understood.ground or rng.choice(("grass", "sand"))][0]
    if said.light is None:
        text += " " + words.LIGHT_PHRASES[understood.light or "noon"][0]
    parts = [text.strip()]
    if said.camera is None:
        parts.append(words.CAMERA_PHRASES[understood.camera or "static"][0])
    if said.style is None:
        parts.append(words.STYLE_PHRASES[understood.style or "natural"][0])
    return ". ".join(parts) + "."


def _after(text: str, after: Understood, before: Understood) -> tuple[str, bool]:
    """What a caption says of the time after a change, and whether captions of training say such a thing."""
    if after.shot and after.shot != before.shot:
        return f", then a cut to a new view: {words.SHOT_PHRASES[after.shot][0]}", True
    parts = [
        words.GROUND_PHRASES[after.ground][0] if after.ground and after.ground != before.ground else "",
        words.LIGHT_PHRASES[after.light][0] if after.light and after.light != before.light else "",
        f"in {words.STYLE_PHRASES[after.style][0]}" if after.style and after.style != before.style else "",
    ]
    others = {(t.colour, t.shape) for t in after.things} - {(t.colour, t.shape) for t in before.things}
    told = "" if others else " ".join(filter(None, parts))
    if told:
        return f", then the place changes and it is {told}", True
    return f", then {text.strip(' ,.')}", not text.strip(" ,.")
