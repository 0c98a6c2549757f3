"""What a series partition remembers to explain changes: levels of slices, and new versions beside the others.

It is what `undertow run` remembers but for calls and their embeddings, which do not come this far. It answers what the
pager asks: of each change of late all that is known of it, and the cards of new versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from undertow.alerts.incident import Version
from undertow.alerts.ranking import measured, ranked
from undertow.drift.cards import Card
from undertow.drift.catalogue import Catalogue
from undertow.drift.newcomers import Seen
from undertow.drift.segments import Group
from undertow.drift.verdict import Verdict
from undertow.drift.versions import Versions
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.evidence import Evidence
from undertow.pipelines.kafka.verdict_messages import Asked
from undertow.pipelines.prices import price_table
from undertow.pipelines.redaction import Redactor
from undertow.pipelines.settings import Settings

__all__ = ["Accounts"]

_SPEAKERS = 3  # changes of one service about which all is told, beside the one to be explained


class Accounts:
    """Remembers closed windows and what ran on which versions.

    Parameters
    ----------
    catalogue, groups
        What the numbers in windows stand for; they may grow.
    state
        Of its own `snapshot`.
    """

    def __init__(
        self, settings: Settings, catalogue: Catalogue, groups: Sequence[Group], state: dict[str, Any] | None = None
    ) -> None:
        ingest, detection = settings.ingest, settings.detection
        self._names = Redactor("full" if ingest.content == "full" else "redacted", ingest.redact)
        self._versions = Versions.build(state and state["seen_versions"])
        self._evidence = Evidence(
            catalogue,
            detection.dimensions,
            groups,
            self._versions,
            None,
            self._names.kept,
            metrics_off=detection.metrics_off,
            prices=price_table(settings.prices),
            state=state and state["evidence"],
        )

    def take(self, seen: Iterable[Seen]) -> None:
        """Take what a source has seen, of windows that are not closed here."""
        self._evidence.newcomers.take_over(seen)

    def sight(self, versions: Iterable[Version]) -> None:
        """Take versions that are known to be new, such as what somebody declared."""
        for one in versions:
            where = one.service, one.environment
            self._versions.note(*where, one.dimension, one.value, one.first_seen, one.declared)

    def close(self, window: ClosedWindow) -> list[Card]:
        """Let a closed window count; return the cards that are due."""
        for one in sorted(self._evidence.newcomers.open_before(window.end), key=lambda one: (one.first, one.pairs)):
            for dimension, value in one.pairs:
                self._versions.note(*one.where, dimension, value, one.first)
        self._versions.arrivals()  # these have been told by the sources
        return self._evidence.close(window)

    def asked(self, verdicts: Iterable[Verdict]) -> Iterator[Asked]:
        """Yield how many calls each change is about, and all else that is known of those that speak for a service."""
        for _, group in groupby(sorted(verdicts, key=_place), key=_where):
            known = list(group)
            pages = [verdict for verdict in known if verdict.kind == "page"]
            speak = {one.id for one in (measured(pages), *ranked(pages)[:_SPEAKERS])} if pages else set[str]()
            for verdict in known:
                calls = self._evidence.calls(verdict.series)
                if verdict.id in speak:
                    yield Asked(
                        verdict.id,
                        verdict.series,
                        calls,
                        self._evidence.question(verdict),
                        self._evidence.cards(verdict),
                    )
                else:
                    yield Asked(verdict.id, verdict.series, calls)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data and arrays."""
        return {"evidence": self._evidence.snapshot(), "seen_versions": self._versions.snapshot()}


def _where(verdict: Verdict) -> tuple[str, str]:
    return verdict.series.service, verdict.series.environment


def _place(verdict: Verdict) -> tuple[tuple[str, str], str]:
    return _where(verdict), verdict.id
