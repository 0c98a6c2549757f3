"""Ends a process that should get on and does not: its supervisor starts it again, and nothing is lost by that."""

from __future__ import annotations

from collections.abc import Hashable

from undertow.pipelines.kafka.errors import StalledError

__all__ = ["Watchdog"]


class Watchdog:
    """Watches that work which waits gets done.

    Examples
    --------
    >>> watchdog = Watchdog()
    >>> watchdog.look(0.0, 60.0, progress=7, waiting="partition 3 is 10 messages behind")
    >>> watchdog.look(61.0, 60.0, progress=8, waiting="partition 3 is 9 messages behind")
    >>> watchdog.look(122.0, 60.0, progress=8, waiting="partition 3 is 9 messages behind")
    Traceback (most recent call last):
    undertow.pipelines.kafka.errors.StalledError: no progress for 61 s although partition 3 is 9 messages behind: ...
    """

    def __init__(self) -> None:
        self._progress: Hashable = None
        self._since = 0.0

    def look(self, now: float, limit_s: float, progress: Hashable, waiting: str) -> None:
        """Take note of how far the process is; `waiting` says what work there is, empty for none.

        Raises
        ------
        StalledError
            Work waits, and for so many seconds there was no progress.
        """
        if progress != self._progress or not waiting:
            self._progress, self._since = progress, now
        elif now - self._since > limit_s:
            raise StalledError(
                f"no progress for {now - self._since:.0f} s although {waiting}: ending, to be started again"
            )
