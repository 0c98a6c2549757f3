"""The pages that the console channel has written into a file, as on-call got them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from undertow.alerts.channels.console import RULE
from undertow.alerts.incident import ChangeKind, Incident

__all__ = ["Sent", "page_of", "sent_pages"]

_PAGE = re.compile(rf"^{RULE} ({'|'.join(kind.upper() for kind in ChangeKind)}) \S+.* {RULE}$", re.MULTILINE)


class Sent(msgspec.Struct, frozen=True):
    """One message that the console channel wrote: its kind and its text."""

    kind: ChangeKind
    text: str

    @property
    def severity(self) -> str:
        """How loudly it was told: the label of its first line."""
        return self.text.partition(" ")[0].lower()

    @property
    def headline(self) -> str:
        """The page's first line, without its label."""
        return self.text.partition("\n")[0].partition(" ")[2].strip()


def sent_pages(path: Path) -> list[Sent]:
    """Return what the console channel has written into a file, oldest first."""
    _, *parts = _PAGE.split(path.read_text(encoding="utf-8"))
    return [
        Sent(ChangeKind(kind.lower()), text.strip("\n")) for kind, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def page_of(incident: Incident, sent: Sequence[Sent]) -> Sent | None:
    """Return the page as on-call got it, None if none was sent."""
    return next((each for each in sent if each.kind is ChangeKind.TRIGGER and incident.id in each.text), None)
