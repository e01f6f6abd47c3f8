"""`sora review "PROMPT"`: what the policy says about prompts; the exit code is 1 where one is refused."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from .terminal import say, warn

REFUSED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="+", help="the prompts, in your words")
    parser.add_argument("--policy", type=Path, help="a policy file (default: your own, else the bundled one)")
    parser.add_argument("--json", action="store_true", help="one JSON object a prompt")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core import safety

    policy = safety.load_policy(args.policy)
    reviews = [safety.review_prompt(prompt, policy) for prompt in args.prompt]
    for note in dict.fromkeys(review.note for review in reviews if review.note):
        warn(note)
    for prompt, review in zip(args.prompt, reviews, strict=True):
        if args.json:
            found = [asdict(finding) for finding in review.findings]
            say(json.dumps({"prompt": prompt, "action": review.action, "findings": found}))
        else:
            say(review.sentence() if len(reviews) == 1 else f"{prompt}: {review.sentence()}")
    return REFUSED if any(review.action == "refuse" for review in reviews) else 0
