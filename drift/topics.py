"""Levels by what is asked: each metric by the cluster of a call's input, or by the user's own label of it.

When a service has been seen for an hour, and again when for a day, clusters are fitted to a sample of its inputs chosen
by hash; the sample is dropped with the last fit. From then on every embedded call counts in its cluster. So "the
answers to the same questions changed" can be told from "other questions are asked". A cluster is named by words of
its own latest questions.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.averages import NOTHING, Average, Shift, pooled
from undertow.drift.catalogue import Catalogue
from undertow.drift.causes import Asking
from undertow.drift.clusters import NEW, Clusters, fit
from undertow.drift.contributions import Slice
from undertow.drift.ledger import Ledger
from undertow.drift.statistics.proportions import Floats
from undertow.drift.topic_names import words_of
from undertow.drift.windows import Windows

__all__ = ["ONE_IN", "TOPIC", "Asked", "Topics"]

TOPIC = "input_cluster"
Where = tuple[str, str]  # service, environment
Span = tuple[float, float]
_VERSION = 2
ONE_IN = 16  # calls whose text is kept for the names of clusters
_TEXTS = 60  # of a cluster
_EVERY_CALL = "error_rate"  # what is known of every call
_FITS_S = (3600.0, 86_400.0)  # age of a service at which its clusters are fitted
_PER_WINDOW = 100  # calls of a service that count
_SAMPLE = 800  # inputs that they are fitted to
_LEAST = 200
_SERVICES = 32
_NAMES = 40  # labels followed in a service; further ones are one
_OTHER = "(other)"


class Asked(NamedTuple):
    """A call by what was asked: a vector in steps of 1/4096, or a label; `number` is the hash of its id.

    `text` is the question as it may be kept, of one call in `ONE_IN` alone; clusters get their names from these.
    """

    where: Where
    number: int
    values: Floats
    vector: NDArray[np.int16] | None
    label: str | None
    text: str = ""


_NOTHING: dict[Where, list[Asked]] = {}


class _Service(msgspec.Struct):
    first: float
    sample: list[tuple[int, NDArray[np.int16]]] = []
    fits: int = 0
    clusters: Clusters | None = None
    names: list[str] = []  # of its groups, in use now
    numbers: dict[str, int] = {}
    said: dict[str, list[str]] = {}  # the latest texts of each cluster


class Topics:
    """Counts calls by topic, once their window is closed.

    Parameters
    ----------
    max_services
        Services followed; calls of further ones are left out, and counted in `dropped`.
    """

    def __init__(self, catalogue: Catalogue, max_services: int = _SERVICES) -> None:
        self.dropped = 0
        self.ledger = Ledger(catalogue)
        self._max_services = max_services
        self._bins = Windows(catalogue, 1.0, 0.0)  # only sorts measures into bins
        self._services: dict[Where, _Service] = {}
        self._open: dict[float, dict[Where, list[Asked]]] = {}
        self._groups = 0

    def wants(self, window: float, where: Where, number: int) -> bool:
        """Tell whether a call of the window that begins then would count, so that others need not be described."""
        kept = self._open.get(window, _NOTHING).get(where)
        return kept is None or len(kept) < _PER_WINDOW or number < kept[-1].number

    def observe(self, window: float, call: Asked) -> None:
        """Take a call of the window that begins then; of a window those with the smallest hashes count."""
        kept = self._open.setdefault(window, {}).setdefault(call.where, [])
        if len(kept) < _PER_WINDOW or call.number < kept[-1].number:
            insort(kept, call, key=lambda one: one.number)
            del kept[_PER_WINDOW:]

    def advance(self, until: float) -> None:
        """Close the windows that begin before `until`, oldest first; no more of their calls may come."""
        for window in sorted(window for window in self._open if window < until):
            for where, calls in sorted(self._open.pop(window).items()):
                self._take(where, window, calls)

    def levels(self, where: Where, metric: str, spans: tuple[Span, Span]) -> tuple[Shift, list[Slice]]:
        """Return the level of all calls with a topic, before and since, and that of each topic.

        Inputs unlike any others are not the same questions from one time to the next: of those before nothing is said,
        so that what they bring counts as a share that grew.
        """
        service = self._services.get(where)
        if service is None:
            return Shift(NOTHING, NOTHING), []
        before, since = (
            {name: self._level(service.numbers[name], metric, span) for name in service.names} for span in spans
        )
        if service.clusters is not None:
            before.pop(NEW, None)
        slices = [Slice(TOPIC, name, Shift(before.get(name, NOTHING), since[name])) for name in service.names]
        return Shift(pooled(before.values()), pooled(since.values())), slices

    def asked(self, where: Where, spans: tuple[Span, Span]) -> list[Asking]:
        """Return how often each topic was asked before and since."""
        service = self._services.get(where)
        if service is None:
            return []
        words = {name: name for name in service.names} if service.clusters is None else words_of(service.said)
        counts = {
            name: [self._level(service.numbers[name], _EVERY_CALL, span).events for span in spans]
            for name in service.names
        }
        return [Asking(name, words.get(name, ""), *both) for name, both in counts.items()]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data and arrays."""
        services = [(where, msgspec.structs.asdict(one)) for where, one in sorted(self._services.items())]
        for _, service in services:
            clusters = service["clusters"]
            service["clusters"] = clusters and [clusters.centres, clusters.reach]
        waiting = [
            (window, list(map(tuple, calls)))
            for window, places in sorted(self._open.items())
            for _, calls in sorted(places.items())
        ]
        return {
            "version": _VERSION,
            "dropped": self.dropped,
            "groups": self._groups,
            "services": services,
            "open": waiting,
            "ledger": self.ledger.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; ValueError if it has another version."""
        if state["version"] != _VERSION:
            raise ValueError(f"topics: snapshot version {state['version']!r} is not {_VERSION}; start anew")
        self.dropped, self._groups = state["dropped"], state["groups"]
        self._services = {tuple(where): _restored(service) for where, service in state["services"]}
        self._open = {}
        for window, calls in state["open"]:
            asked = [Asked(tuple(where), *rest) for where, *rest in calls]
            self._open.setdefault(window, {})[asked[0].where] = asked
        self.ledger.restore(state["ledger"])

    def _level(self, group: int, metric: str, span: Span) -> Average:
        return self.ledger.average(group, metric, *span)

    def _take(self, where: Where, window: float, calls: list[Asked]) -> None:
        if where not in self._services and len(self._services) >= self._max_services:
            self.dropped += len(calls)
            return
        service = self._services.setdefault(where, _Service(window))
        self._count(service, window, [call for call in calls if call.label is not None])
        embedded = [call for call in calls if call.vector is not None]
        if service.clusters is not None and embedded:
            names = service.clusters.names()
            numbers = service.clusters.assign(_vectors(embedded)).tolist()
            sorted_out = [call._replace(label=names[number]) for call, number in zip(embedded, numbers, strict=True)]
            self._count(service, window, sorted_out)
            _hear(service.said, sorted_out)
        if service.fits < len(_FITS_S):
            self._sample(service, embedded)
            self._fit(service, window)

    def _count(self, service: _Service, window: float, calls: Sequence[Asked]) -> None:
        if not calls:
            return
        groups = np.array([[self._group(service, call.label or _OTHER)] for call in calls], np.int32)
        times = np.full(len(calls), window)
        self._bins.add(times, groups, np.array([call.values for call in calls]))
        for closed in self._bins.close(everything=True):
            self.ledger.observe(closed)

    def _group(self, service: _Service, name: str) -> int:
        if name not in service.numbers and len(service.names) >= _NAMES:
            name = _OTHER
        if name not in service.numbers:
            service.numbers[name] = self._groups
            service.names.append(name)
            self._groups += 1
        return service.numbers[name]

    def _sample(self, service: _Service, calls: Sequence[Asked]) -> None:
        """Keep the vectors with the smallest hashes."""
        for call in calls:
            if call.vector is not None and (len(service.sample) < _SAMPLE or call.number < service.sample[-1][0]):
                insort(service.sample, (call.number, call.vector), key=lambda one: one[0])
                del service.sample[_SAMPLE:]

    def _fit(self, service: _Service, window: float) -> None:
        """Fit when it is time; what was counted by older clusters is no longer asked for."""
        if window < service.first + _FITS_S[service.fits] or len(service.sample) < _LEAST:
            return
        found = fit(np.array([vector for _, vector in service.sample]))
        service.fits += 1
        if found is not None:
            service.clusters, service.names, service.numbers, service.said = found, [], {}, {}
        if service.fits == len(_FITS_S):
            service.sample = []


def _hear(said: dict[str, list[str]], calls: Sequence[Asked]) -> None:
    """Keep the texts of clusters, the latest ones."""
    for call in calls:
        if call.text and call.label is not None:
            texts = said.setdefault(call.label, [])
            texts.append(call.text)
            del texts[:-_TEXTS]


def _vectors(calls: Sequence[Asked]) -> NDArray[np.int16]:
    return np.array([call.vector for call in calls], np.int16)


def _restored(state: dict[str, Any]) -> _Service:
    clusters = state["clusters"]
    sample = [(number, np.asarray(vector)) for number, vector in state["sample"]]
    return _Service(**{**state, "sample": sample, "clusters": Clusters(*clusters) if clusters else None})
