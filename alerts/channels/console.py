"""The page on a terminal or in a log, as on-call would get it."""

from __future__ import annotations

from typing import TextIO

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.formats import utc
from undertow.alerts.incident import Change
from undertow.alerts.links import Links
from undertow.alerts.text import message

__all__ = ["Console"]

RULE = "─" * 4


class Console:
    """Writes a trigger as the whole page, an update or a resolve as its headline and state.

    Parameters
    ----------
    stream
        Where to write; it is flushed after each page. A stream that is gone refuses the page: no reader will come back.
    shadow
        Say of each page that it was not sent to anybody.
    links
        What to link to, under a page.

    Examples
    --------
    >>> import sys
    >>> Console(sys.stdout).name
    'console'
    """

    name = "console"

    def __init__(self, stream: TextIO, *, shadow: bool = False, links: Links | None = None) -> None:
        self._stream, self._links = stream, links or Links()
        self._note = " (shadow: nobody was paged)" if shadow else ""

    def send(self, change: Change) -> Delivery:
        """Write the change."""
        links = self._links.of(change.incident) if change.kind.notifies else []
        said = "\n".join([message(change), *(f"{link.text}: {link.href}" for link in links)])
        head = f"{RULE} {change.kind.upper()} {utc(change.at)}{self._note} {RULE}"
        try:
            self._stream.write(f"{head}\n{said}\n\n")
            self._stream.flush()
        except (OSError, ValueError) as error:
            return Delivery(Outcome.REFUSED, f"the stream is gone: {error}")
        return Delivery(Outcome.DELIVERED)
