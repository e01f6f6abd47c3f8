"""Whether a typed word is a slip of another one."""

__all__ = ["one_wrong", "slip"]


def slip(typed: str, meant: str) -> bool:
    """Whether two letters changed places, one was doubled or not, or (in longer words) one is missing, though not the
    first: `rains` is no slip of `trains`, nor `lower` of `flower`."""
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


def one_wrong(typed: str, meant: str) -> bool:
    """Whether one letter is another, though not the first: `fountain` is no slip of `mountain`."""
    return len(typed) == len(meant) and typed[0] == meant[0] and sum(map(str.__ne__, typed, meant)) == 1
