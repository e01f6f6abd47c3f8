"""The command `sora`.

Only the table of commands is known here; the module of a command is imported when that command is asked for, and torch
when it runs, so that `sora --help` answers at once. Exit codes: 0 done; 1 where `review` refuses, `detect` finds or
`verify` sees a change; 2 a mistake that the message says how to mend; 130 stopped; a fault of ours shows its traceback.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # loading `typing` takes longer than all of this
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType, ModuleType

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "generate": "a prompt becomes a video or a still",
    "animate": "a picture becomes the first frame of a video",
    "extend": "a video goes on, or begins earlier",
    "loop": "a video is closed into a loop",
    "connect": "a transition between two videos",
    "fill": "frames of a video are made anew",
    "restyle": "the motion of a video in another setting or style",
    "run": "a workflow, once or for every row of a table",
    "review": "what the policy says about a prompt",
    "detect": "whether a file was made here, by its watermark or its look",
    "verify": "what the provenance in a file says, and whether it fits",
    "train": "train the networks that a configuration asks for",
    "world": "fetch and pack the pictures that the rendered world shows in training",
    "eval": "measure the weights on a suite of prompts",
    "bench": "speed beside another implementation on the same weights",
    "info": "versions, device, and the weights with what they know",
}
"""name -> one line of help; the module of the same name in `commands/` does the work"""
MENDABLE, STOPPED = 2, 130
SPIN = {"GOMP_SPINCOUNT": "1000"}
"""how long OpenMP's threads wait by turning round, unless the user says: longer, as it is by itself, they take the
processor from whom they wait for wherever anything else runs"""
AGAIN = 0.05
"""seconds after which a signal that came while a library was loaded comes again"""
TOLD: list[int] = []
"""signals that told this command to end: what a library makes of the interruption, an error of its own, counts as it"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a mistake of the user is one line on stderr."""
    TOLD.clear()
    try:
        heed_signals()
        fill_standard_streams()
        for name, value in SPIN.items():
            os.environ.setdefault(name, value)  # read when torch is loaded
        return executed(sys.argv[1:] if argv is None else list(argv))
    except (KeyboardInterrupt, Exception) as error:
        if not TOLD and not isinstance(error, KeyboardInterrupt):
            raise
        from .commands.terminal import note

        note("stopped.")
        return STOPPED


def executed(argv: list[str]) -> int:
    """The exit code of a command, with a word for what went wrong."""
    from .commands.terminal import OutputError, note, quiet_output
    from .sora_core.errors import Cancelled, SoraError

    try:
        args = parse(argv)
        try:
            return int(module_of(args.command).execute(args))
        except SoraError as error:
            if TOLD:
                raise KeyboardInterrupt from error
            if getattr(args, "json", False) and not isinstance(error, Cancelled):
                say_error(error)
            raise
    except Cancelled as error:
        raise KeyboardInterrupt from error
    except SoraError as error:
        note(str(error))
        return MENDABLE
    except OutputError as error:
        quiet_output()
        if error.reason:
            note(f"the output cannot be written: {error.reason}.")
        return MENDABLE


def say_error(error: Exception) -> None:
    """To a program that reads JSON: an object in the place of the result."""
    import json

    from .commands.terminal import say

    say(json.dumps({"error": str(error)}))


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments of the command that was named, options before, between and behind the others; the other commands
    are listed, not imported."""
    import argparse

    if argv and argv[0] in COMMANDS:
        name, words = argv[0], COMMANDS[argv[0]]
        command = argparse.ArgumentParser(prog=f"sora {name}", description=words[0].upper() + words[1:] + ".")
        module_of(name).add_arguments(command)
        given = argparse.Namespace(command=name)
        if "--" in argv:  # behind it stand names that begin with a dash
            return command.parse_args(argv[1:], given)
        return command.parse_intermixed_args(argv[1:], given)
    parser = argparse.ArgumentParser(prog="sora", description="Text, images and videos become videos.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words)
    return parser.parse_args(argv)


def module_of(name: str) -> ModuleType:
    from importlib import import_module

    return import_module(f".commands.{name}", __package__)


def fill_standard_streams() -> None:
    """Keep the numbers of the standard streams taken where one is closed: a file of ours that got such a number would
    take what a library prints."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def heed_signals() -> None:
    """Be stopped by whatever tells a command to end, unless whoever started it wants that ignored, as `nohup` does."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


def stop(number: int, frame: FrameType | None) -> None:
    """Being told to end is Ctrl-C: what is half written goes away on the way out. A library that is being loaded would
    break, end the process or overlook it, so it is loaded first."""
    if loading(frame):
        from threading import Timer

        later = Timer(AGAIN, signal.raise_signal, [number])
        later.daemon = True
        later.start()
        return
    TOLD.append(number)
    raise KeyboardInterrupt


def loading(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    sys.exit(main())
