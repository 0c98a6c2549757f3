"""Says to somebody outside that this watch lives, time and again: when it stops, the silence is the alarm.

Two ways: an alert that always fires, which Alertmanager forgets and resolves when it is not renewed, and an address
that is called, for services that alarm when calls stay out. Both stop when the process dies, and also when only its
main loop hangs: `beat` says that it does not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.http import Poster, Timeouts, Transport

__all__ = ["Watchdog", "ping"]

log = logging.getLogger(__name__)


def ping(url: str, clock: Callable[[], float], transport: Transport | None = None) -> Callable[[], Delivery]:
    """Return the call of an address; any 2xx means that it was heard. The address may hold a secret.

    Raises
    ------
    ValueError
        The URL is not an http or https URL.
    """
    poster = Poster(url, lambda status: 200 <= status < 300, timeouts=Timeouts(), transport=transport)
    return lambda: poster.post(b"", {}, clock())


class Watchdog:
    """Renews the signs of life from a thread of its own, as long as the main loop beats.

    Parameters
    ----------
    signs
        Each makes one attempt.
    every_s
        Seconds between two.
    patience_s
        A main loop that has not beaten for so long is taken for dead.
    clock
        Wall clock, seconds since the epoch.

    Examples
    --------
    >>> from undertow.alerts.channel import Delivery, Outcome
    >>> watchdog = Watchdog([lambda: Delivery(Outcome.DELIVERED)], 60.0, 300.0, clock=lambda: 1000.0)
    >>> watchdog.renew(900.0), watchdog.renew(600.0)
    (1, 0)
    """

    def __init__(
        self, signs: Sequence[Callable[[], Delivery]], every_s: float, patience_s: float, clock: Callable[[], float]
    ) -> None:
        self._signs, self._every_s, self._patience_s, self._clock = tuple(signs), every_s, patience_s, clock
        self._beaten_at = clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="undertow-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        if self._signs:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(2 * Timeouts().total_s)

    def beat(self) -> None:
        """Say that the main loop goes round."""
        self._beaten_at = self._clock()

    def renew(self, beaten_at: float) -> int:
        """Give every sign of life, unless the main loop has not beaten since too long; return how many were heard."""
        quiet_s = self._clock() - beaten_at
        if quiet_s > self._patience_s:
            log.error("no sign of life is given: the main loop has not gone round for %.0f s", quiet_s)
            return 0
        answers = [sign() for sign in self._signs]
        for answer in answers:
            if answer.outcome is not Outcome.DELIVERED:
                log.warning("a sign of life was not heard: %s", answer.detail)
        return sum(answer.outcome is Outcome.DELIVERED for answer in answers)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.renew(self._beaten_at)
            self._stopping.wait(self._every_s)
