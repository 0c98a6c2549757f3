"""Whatever the `apprise` library reaches: Teams, Discord, Telegram, Opsgenie, ntfy and a hundred more.

It is an optional extra. The library says of an attempt only whether all of its services took it, so what was not
taken is always tried again; with several services in one channel those that took it get it again. Give each service
that matters a channel of its own.
"""

from __future__ import annotations

import threading
from typing import Any

from undertow.alerts.body import cut
from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.chart import chart
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import Change, ChangeKind, Severity
from undertow.alerts.links import Links
from undertow.alerts.text import message, place

__all__ = ["Apprise"]

TITLE_LIMIT = 200
BODY_LIMIT = 8_000  # characters; the library cuts or splits further as each service wants
KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure", Severity.CRITICAL: "failure"}


class Apprise:
    """Notifies through one or more of the library's services.

    Parameters
    ----------
    service_urls
        The library's URLs, separated by blanks or line ends. They hold secrets and are never shown.
    links
        What to link to.
    timeouts
        Only the total counts: the library has its own limits for each read, and none for the whole.

    Raises
    ------
    ValueError
        The library is not installed, or knows no service for one of the URLs.
    """

    name = "apprise"

    def __init__(self, service_urls: str, links: Links | None = None, timeouts: Timeouts | None = None) -> None:
        try:
            import apprise
        except ImportError:
            raise ValueError("the channel 'apprise' needs its library; pip install 'undertow[apprise]'") from None
        self._services: Any = apprise.Apprise()
        for number, url in enumerate(service_urls.split(), start=1):
            if not self._services.add(url):
                scheme = url.partition(":")[0] if "://" in url else "no scheme"
                raise ValueError(f"apprise knows no service for URL {number} ({scheme}); see its list of services")
        if not len(self._services):
            raise ValueError("an apprise channel needs at least one URL in `service_urls`")
        self._links = links or Links()
        self._timeouts = timeouts or Timeouts()
        self._running: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Apprise(services={len(self._services)})"

    def send(self, change: Change) -> Delivery:
        """Make one attempt, in a thread of its own, since nothing else can bound its time.

        An attempt that outlasts its time is left alone, and no other begins before it has ended.
        """
        if self._running is not None and self._running.is_alive():
            return Delivery(Outcome.RETRY, "the attempt before is still under way")
        taken: list[bool] = []
        self._running = threading.Thread(target=lambda: taken.append(self._notify(change)), daemon=True)
        self._running.start()
        self._running.join(self._timeouts.total_s)
        if taken == [True]:
            return Delivery(Outcome.DELIVERED)
        return Delivery(Outcome.RETRY, "a service did not take it" if taken else f"no end after {self._limit}")

    @property
    def _limit(self) -> str:
        return f"{self._timeouts.total_s:g} s"

    def _notify(self, change: Change) -> bool:
        incident = change.incident
        said = incident.severity if change.kind.notifies else change.kind
        kind = "success" if change.kind is ChangeKind.RESOLVE else KINDS[incident.severity]
        drawn = chart(incident) if change.kind.notifies else []
        links = [f"{link.text}: {link.href}" for link in self._links.of(incident)]
        body = "\n".join([message(change), *drawn, *links])
        title = cut(f"{said.upper()}: {place(incident)}", TITLE_LIMIT)
        return bool(self._services.notify(title=title, body=cut(body, BODY_LIMIT), notify_type=kind))
