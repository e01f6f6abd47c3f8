"""Safety: prompts and frames are reviewed, files are signed and marked, and told apart again.

    check_prompt(text)                 the door where text is encoded: raises PolicyError for what the policy refuses
    review_prompt(text)                the same as a report
    load_policy(path)                  what is allowed, warned of or refused

Nothing leaves the machine unless the policy names a moderation endpoint. What is checked and how well: docs/safety.md.
"""

from .policy import Policy, config_folder, load_policy
from .review import Finding, PolicyError, Review, check_prompt, review_prompt

__all__ = [
    "Finding",
    "Policy",
    "PolicyError",
    "Review",
    "check_prompt",
    "config_folder",
    "load_policy",
    "review_prompt",
]
