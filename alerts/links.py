"""Links and pictures that go with a page: addresses with places for what the incident is about."""

from __future__ import annotations

import math
from collections.abc import Iterable
from string import Formatter
from urllib.parse import quote, urlsplit

import msgspec

from undertow.alerts.addresses import Addresses
from undertow.alerts.incident import Incident
from undertow.alerts.ranking import lead

__all__ = ["Link", "Links", "grafana"]

PLACES = ("id", "service", "environment", "metric", "from_ms", "to_ms")
ANSWER = "I have it / false alarm / normal now"
REPORT = "Report with charts"
BOARD = "/d/undertow-incident?var-incident={id}&from={from_ms}&to={to_ms}"  # of Grafana: made by `dashboards push`
AROUND_S = 3600.0  # the time range of a link begins an hour before the change and ends an hour after the page


class Link(msgspec.Struct, frozen=True):
    """A name and an address; as a template, with `{service}` and the like in the address.

    The places are `id`, `service`, `environment`, `metric` (of the headline), `from_ms` and `to_ms` (milliseconds
    since the epoch: an hour before the change, an hour after the incident was found).
    """

    text: str
    href: str


def grafana(url: str) -> Link:
    """Return the link to the incident's own board, over the time around the change, in the Grafana at an address.

    Examples
    --------
    >>> grafana("https://grafana.example.org/").href
    'https://grafana.example.org/d/undertow-incident?var-incident={id}&from={from_ms}&to={to_ms}'
    """
    base = url.rstrip("/").replace("{", "{{").replace("}", "}}")
    return Link("Grafana", base + BOARD)


class Links:
    """What to put under each page.

    Raises
    ------
    ValueError
        An address has a place that nothing fills, or is not http(s); a picture is not https.

    Examples
    --------
    >>> Links([Link("Runbook", "https://wiki.example.org/{services}")])
    Traceback (most recent call last):
    ValueError: the link 'Runbook' has the place {services}, which nothing fills; there are {id}, {service}, ...
    """

    def __init__(
        self, links: Iterable[Link] = (), images: Iterable[Link] = (), addresses: Addresses | None = None
    ) -> None:
        self._links, self._images, self._addresses = tuple(links), tuple(images), addresses
        for link in self._links:
            _check(link, {"http", "https"})
        for image in self._images:
            _check(image, {"https"})

    def of(self, incident: Incident) -> list[Link]:
        """Return the links for an incident, every value escaped: its report, those asked for, that for answering."""
        report = self._addresses.report_of(incident) if self._addresses else None
        answer = self._addresses.of(incident) if self._addresses else None
        return [
            *([Link(REPORT, report)] if report else []),
            *(_filled(link, incident) for link in self._links),
            *([Link(ANSWER, answer)] if answer else []),
        ]

    def images_of(self, incident: Incident) -> list[Link]:
        """Return the pictures for an incident, every value escaped."""
        return [_filled(image, incident) for image in self._images]


def _check(link: Link, schemes: set[str]) -> None:
    try:
        places = [name for _, name, _, _ in Formatter().parse(link.href) if name is not None]
    except ValueError as error:
        raise ValueError(f"the link '{link.text}' cannot be read: {error}; write {{{{ for a brace") from None
    unknown = [name for name in places if name not in PLACES]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACES)
        raise ValueError(
            f"the link '{link.text}' has the place {{{unknown[0]}}}, which nothing fills; there are {known}"
        )
    if urlsplit(link.href).scheme not in schemes:
        raise ValueError(f"the link '{link.text}' does not begin with {':// or '.join(sorted(schemes))}://")


def _filled(link: Link, incident: Incident) -> Link:
    values = {
        "id": incident.id,
        "service": incident.service,
        "environment": incident.environment,
        "metric": lead(incident.verdicts).series.metric if incident.verdicts else "",
        "from_ms": _milliseconds(incident.changed_from - AROUND_S),
        "to_ms": _milliseconds(incident.opened_at + AROUND_S),
    }
    return Link(link.text, link.href.format(**{name: quote(value, safe="") for name, value in values.items()}))


def _milliseconds(at: float) -> str:
    return str(int(1000 * at)) if math.isfinite(at) else ""
