"""The metrics of one installation, numbered: those that ship, their tails, room for scores, and the user's own.

A number, once given, stays: own metrics come last, and scores take their place when their name is first seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.drift.metrics import METRICS, SCORE, Family, Metric, score_metric, tails_of

__all__ = ["SERIES_METRICS", "Catalogue"]

SERIES_METRICS = 1 << 10  # a series number is group · 1,024 + metric
_SCORES = 32  # names of scores that are followed
_ANY_SCORE = score_metric("any")


class Catalogue:
    """Numbers metrics; `columns` are those that one event measures directly, in the order of their numbers.

    Examples
    --------
    >>> catalogue = Catalogue()
    >>> number = catalogue.score("helpful")
    >>> catalogue.name(number), catalogue.metric(number).family
    ('score.helpful', <Family.SCORE: 'score'>)
    """

    def __init__(self, own: Sequence[Metric] = (), scores: Sequence[str] = ()) -> None:
        shipped = [metric for metric in METRICS.values() if metric.family is not Family.VECTOR]
        vectors = [metric for metric in METRICS.values() if metric.family is Family.VECTOR]
        room: list[Metric | None] = [None] * _SCORES
        self._metrics: list[Metric | None] = [*shipped, *vectors, *room, *own, *tails_of(own)]
        if len(self._metrics) > SERIES_METRICS:
            raise ValueError(f"{len(own)} metrics of your own are too many; leave some out")
        self._first_score = len(shipped) + len(vectors)
        self.numbers = {metric.name: number for number, metric in enumerate(self._metrics) if metric is not None}
        measured = [*(metric for metric in shipped if "." not in metric.name), *own]
        self.columns = {metric.name: column for column, metric in enumerate(measured)}
        self.scores: list[str] = []
        self.unfollowed_scores = 0
        for name in scores:
            self.score(name)

    def __len__(self) -> int:
        return len(self._metrics)

    @property
    def names(self) -> list[str]:
        """The name of each number, "" where a score may come."""
        return [metric.name if metric else "" for metric in self._metrics]

    def metric(self, number: int) -> Metric:
        """Return the metric of a number; for a number that waits for a score, what any score is."""
        return self._metrics[number] or _ANY_SCORE

    def name(self, number: int) -> str:
        """Return the name of a number."""
        return self.metric(number).name

    def number(self, name: str) -> int | None:
        """Return the number of a metric, that of a score also when its name is new; None beyond the limit of scores.

        Raises
        ------
        KeyError
            There is no such metric.
        """
        return self.score(name.removeprefix(SCORE)) if name.startswith(SCORE) else self.numbers[name]

    def score(self, name: str) -> int | None:
        """Return the number of a score, a new one when its name is new; None beyond the limit, which is counted."""
        full = SCORE + name
        if full in self.numbers:
            return self.numbers[full]
        if len(self.scores) == _SCORES:
            self.unfollowed_scores += 1
            return None
        number = self._first_score + len(self.scores)
        self.scores.append(name)
        self.numbers[full] = number
        self._metrics[number] = score_metric(name)
        return number
