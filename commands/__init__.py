"""The commands of `sora`, one file each: `add_arguments(parser)` and `execute(args) -> int`, which imports what it
needs."""
