"""Ends a process whose loop hangs in a call that never returns, where nothing of ours looks at the clock any more."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ended_if_it_hangs"]

RENEW_S = 1.0  # at most so often: setting the alarm anew starts a thread


@contextmanager
def ended_if_it_hangs(limit_s: float) -> Iterator[Callable[[], None]]:
    """Lend a function that the loop calls in every round: where it does not for `limit_s` seconds, the process ends.

    It prints where each of its threads is and ends with code 1, even while a library holds the interpreter's lock.

    Examples
    --------
    >>> with ended_if_it_hangs(60.0) as goes_round:
    ...     goes_round()
    """
    renewed = float("-inf")

    def goes_round() -> None:
        nonlocal renewed
        now = time.monotonic()
        if now - renewed >= min(RENEW_S, limit_s / 2):
            renewed = now
            faulthandler.dump_traceback_later(limit_s, exit=True)

    try:
        yield goes_round
    finally:
        faulthandler.cancel_dump_traceback_later()
