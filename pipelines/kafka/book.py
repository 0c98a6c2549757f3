"""All that the log of incidents holds, as whoever reads it from the beginning knows it."""

from __future__ import annotations

from collections.abc import Collection

from undertow.alerts.health import HealthState
from undertow.alerts.incident import Change, Incident, Version
from undertow.alerts.outbox import KEEP_S
from undertow.alerts.silences import Silence
from undertow.pipelines.kafka.incident_log import Announced, Finished, Lifted, Planned, Record, key_of

__all__ = ["Book"]


class Book:
    """Changes and what became of them, versions that are announced, silences that people have set."""

    def __init__(self) -> None:
        self._planned: dict[str, Planned] = {}
        self._finished: dict[str, dict[str, Finished]] = {}  # change or announcement → channel
        self._announced: dict[str, Announced] = {}
        self._silences: dict[str, Silence] = {}
        self.health: HealthState | None = None

    def take(self, record: Record) -> None:
        """Take a record of the log; signs of life are nothing to keep."""
        if isinstance(record, Planned):
            self._planned[record.change.id] = record
        elif isinstance(record, Finished):
            self._finished.setdefault(record.change, {})[record.channel] = record
        elif isinstance(record, Announced):
            self._announced[_id(record)] = record
        elif isinstance(record, Silence):
            self._silences[record.id] = record
        elif isinstance(record, Lifted):
            self._silences.pop(record.id, None)
        elif isinstance(record, HealthState):
            self.health = record

    def in_order(self) -> list[tuple[Change, list[Finished]]]:
        """Return all changes in the order in which they are to be told, each with what became of it."""
        return [(one.change, self._became(one.change.id)) for one in self._placed()]

    def announced(self) -> list[tuple[Version, list[Finished]]]:
        """Return the versions that are announced, each with what became of it."""
        return [(one.version, self._became(key)) for key, one in self._announced.items()]

    def silences(self) -> list[Silence]:
        """Return the silences that people have set and nobody has lifted."""
        return list(self._silences.values())

    def open(self) -> list[Incident]:
        """Return the incidents that are not over, as they were told last, oldest first."""
        latest = {one.change.incident.id: one.change.incident for one in self._placed()}
        return [incident for incident in latest.values() if not incident.state.is_over]

    def forget(self, now: float, waiting: Collection[str] = ()) -> list[bytes]:
        """Forget what is more than a month old, and silences that have ended; nothing that is open or still to be told.

        What comes from the stream is as old as its latest change says, what is wrong with the installation as the wall
        clock does: a log that is read again may lie years back.

        Parameters
        ----------
        now
            Wall clock.
        waiting
            Ids of the changes and announcements that are still to be told.

        Returns
        -------
        The keys of their records.
        """
        places = [one.place.window for one in self._planned.values() if not one.change.incident.about]
        stream = max(places, default=float("-inf"))
        kept = {one.id for one in self.open()}.union(waiting)
        old: list[Planned | Announced | Silence] = [
            *(
                one
                for one in self._planned.values()
                if one.place.window < (now if one.change.incident.about else stream) - KEEP_S
                and kept.isdisjoint((one.change.id, one.change.incident.id))
            ),
            *(
                one
                for key, one in self._announced.items()
                if one.version.first_seen < stream - KEEP_S and key not in kept
            ),
            *(one for one in self._silences.values() if one.ends_at <= now),
        ]
        return [key for one in old for key in self._forget(one)]

    def _forget(self, one: Planned | Announced | Silence) -> list[bytes]:
        key = _id(one)
        for known in (self._planned, self._announced, self._silences):
            known.pop(key, None)
        finished = {} if isinstance(one, Silence) else self._finished.pop(key, {})
        return [key_of(one), *map(key_of, finished.values())]

    def _placed(self) -> list[Planned]:
        return sorted(self._planned.values(), key=lambda one: one.place)

    def _became(self, key: str) -> list[Finished]:
        return list(self._finished.get(key, {}).values())


def _id(record: Planned | Announced | Silence) -> str:
    """Return what the key names, whatever it is about."""
    return key_of(record).decode().partition("/")[2]
