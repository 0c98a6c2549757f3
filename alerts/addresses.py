"""Signed addresses under which a page can be answered: whoever holds one may decide about one incident, for a month.

The address names the incident and the moment until which it holds, and is signed with HMAC-SHA256, so that nothing
about it need be kept. Opening it changes nothing (programs that preview links do that); what it shows asks by a form.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from undertow.alerts.incident import Incident

__all__ = ["LASTS_S", "PATH", "REPORT", "Addresses"]

PATH = "/act"
REPORT = "report"  # behind an address: the incident as one page with charts
LASTS_S = 30 * 86_400.0  # from the opening of the incident: twice as long as one stays open
DIGITS = 32  # of the signature, hexadecimal: 128 bits


class Addresses:
    """Makes and checks the addresses.

    Parameters
    ----------
    url
        Where people reach the port: `https://undertow.example.com`.
    key
        Signs; whoever has it may decide about every incident.

    Raises
    ------
    ValueError
        The URL is not an http or https URL with a host.

    Examples
    --------
    >>> addresses = Addresses("https://undertow.example.com/", b"key")
    >>> address = addresses.address("a1b2", opened_at=0.0)
    >>> address
    'https://undertow.example.com/act/a1b2/2592000/...'
    >>> signature = address.rpartition("/")[2]
    >>> addresses.holds("a1b2", "2592000", signature, now=60.0), addresses.holds("a1b2", "2592000", signature, now=1e9)
    (True, False)
    """

    def __init__(self, url: str, key: bytes) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"[hooks] url = '{url}' is not an address; write https://host, as people reach the port")
        self._url, self._key = url.rstrip("/"), key

    def of(self, incident: Incident) -> str | None:
        """Return the address for an incident; None for one that is over, and for a summary page."""
        if incident.state.is_over or not (incident.verdicts or incident.about):
            return None
        return self.address(incident.id, incident.opened_at)

    def report_of(self, incident: Incident) -> str | None:
        """Return the address of the incident's report; None for a summary page, which has none."""
        known = incident.verdicts or incident.about
        return f"{self.address(incident.id, incident.opened_at)}/{REPORT}" if known else None

    def address(self, incident_id: str, opened_at: float) -> str:
        """Return the address for an incident of that id."""
        until = f"{opened_at + LASTS_S:.0f}"
        return f"{self._url}{PATH}/{incident_id}/{until}/{self._signature(incident_id, until)}"

    def holds(self, incident_id: str, until: str, signature: str, now: float) -> bool:
        """Tell whether the parts of an address are ours, and still hold."""
        known = hmac.compare_digest(self._signature(incident_id, until).encode(), signature.encode())
        return known and now <= float(until)

    def _signature(self, incident_id: str, until: str) -> str:
        return hmac.new(self._key, f"{incident_id}\x1f{until}".encode(), "sha256").hexdigest()[:DIGITS]
