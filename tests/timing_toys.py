"""How long a call takes, on a machine that does other things as well."""

import time
from collections.abc import Callable


def least_seconds(call: Callable[[], object], *, tries: int = 3) -> float:
    """Processor seconds of this thread for a call: the least of several, since a busy or cold machine only adds."""
    took = []
    for _ in range(tries):
        began = time.thread_time()
        call()
        took.append(time.thread_time() - began)
    return min(took)
