"""What is remembered to explain changes: levels of slices, new versions, real calls; and the account of one change.

Everything counts once its window is closed, so an account depends on the events alone, not on their batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from math import inf
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.alerts.incident import Account
from undertow.drift.averages import Average
from undertow.drift.cards import Card
from undertow.drift.catalogue import Catalogue
from undertow.drift.causes import Question, explain
from undertow.drift.exemplars import Details, Exemplar, Exemplars
from undertow.drift.inquiry import Inquiry
from undertow.drift.interaction import Interaction, text_of
from undertow.drift.ledger import Ledger
from undertow.drift.metrics import Family
from undertow.drift.newcomers import Newcomers
from undertow.drift.prices import PriceTable
from undertow.drift.segments import Group, dimension_reader
from undertow.drift.statistics.proportions import Floats
from undertow.drift.topics import ONE_IN, Asked, Topics
from undertow.drift.values import hash_of
from undertow.drift.verdict import Series, Verdict
from undertow.drift.versions import Versions
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.illustration import illustrated
from undertow.pipelines.step import Sighting
from undertow.pipelines.vector_meter import VectorMeasures

__all__ = ["Evidence"]

_SINCE_S = 3600.0  # after its detection a change is explained from no later calls
_INPUTS = "input_centroid"
_LONGEST = 600  # characters of a question from which its topic gets its name
_VALUES = frozenset({Family.POSITIVE, Family.SCORE})

Text = Callable[[str], str]


class Evidence:
    """Remembers, and gives account.

    Parameters
    ----------
    dimensions
        Names of the configured dimensions, in the order of each event's values.
    groups
        The slices by number; it may grow.
    texts
        What may be kept of inputs and outputs; None where nothing may.
    names
        What may be told of values of dimensions and of declared changes.
    topic
        Name of the field or attribute that says what is asked; clusters of embeddings do where it is empty.
    metrics_off
        What nobody wants to hear of: it stands on no card.
    prices
        What models cost.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dimensions: Sequence[str],
        groups: Sequence[Group],
        versions: Versions,
        texts: Text | None,
        names: Text,
        topic: str = "",
        metrics_off: Collection[str] = (),
        prices: PriceTable | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        metrics = [catalogue.metric(catalogue.numbers[name]) for name in catalogue.columns]
        self._dimensions, self._names, self._texts = tuple(dimensions), names, texts
        self._rates = {column: metric.name for column, metric in enumerate(metrics) if metric.family is Family.RATE}
        self._values = {column: metric.name for column, metric in enumerate(metrics) if metric.family in _VALUES}
        self._rate_columns = np.array(list(self._rates), np.int64)
        self.ledger, self.newcomers, self.exemplars = (
            Ledger(catalogue),
            Newcomers(metrics, metrics_off),
            Exemplars(texts),
        )
        self.topics = Topics(catalogue)
        self._topic, self._inputs = dimension_reader(topic) if topic else None, catalogue.numbers[_INPUTS]
        if state is not None:
            self.ledger.restore(state["ledger"])
            self.newcomers.restore(state["newcomers"])
            self.exemplars.restore(state["exemplars"])
            self.topics.restore(state["topics"])
        self._closed_until = -inf
        self._versions, self._unnoted = versions, deque[tuple[float, Interaction]]()
        self._inquiry = Inquiry(groups, self.ledger, self.newcomers, versions, self.topics, prices)

    def observe(self, seen: Sighting) -> None:
        """Take the calls of a batch.

        What tells of versions whatever its own time counts for the windows that were still open when it was read.
        """
        self._unnoted += seen.in_turn
        self.newcomers.observe(seen.events, seen.values, seen.windows)
        numbers = [hash_of(event.service, event.id, "exemplar") for event in seen.events]
        self._keep(seen, numbers)
        if self._topic is not None:
            self._ask_labelled(seen, numbers)
            return
        for found in seen.vectors:
            if found.number == self._inputs:
                self._ask_embedded(seen, numbers, found)

    def _keep(self, seen: Sighting, numbers: Sequence[int]) -> None:
        true = _true(seen.values[:, self._rate_columns], list(self._rates.values()))
        for row, (event, number, window) in enumerate(zip(seen.events, numbers, seen.windows.tolist(), strict=True)):
            details = partial(self._details, seen.dims[row], seen.values[row])
            self.exemplars.observe(event, number, window, true.get(row, ()), details)

    def _ask_labelled(self, seen: Sighting, numbers: Sequence[int]) -> None:
        for row, (event, window) in enumerate(zip(seen.events, seen.windows.tolist(), strict=True)):
            label = self._topic(event) if self._topic else None
            if label is not None:
                self._ask(event, numbers[row], window, seen.values[row], None, self._names(str(label)))

    def _ask_embedded(self, seen: Sighting, numbers: Sequence[int], found: VectorMeasures) -> None:
        starts = seen.windows[found.rows].tolist()
        for place, (row, window) in enumerate(zip(found.rows.tolist(), starts, strict=True)):
            self._ask(seen.events[row], numbers[row], window, seen.values[row], found.vectors[place], None)

    def _ask(
        self,
        event: Interaction,
        number: int,
        window: float,
        values: Floats,
        vector: NDArray[np.int16] | None,
        label: str | None,
    ) -> None:
        where = event.service, event.environment
        if self.topics.wants(window, where, number):
            text = self._question(event) if label is None and number % ONE_IN == 0 else ""
            self.topics.observe(window, Asked(where, number, values, vector, label, text))

    def _question(self, event: Interaction) -> str:
        """Return the beginning of what was asked as it may be kept, redacted before it is cut."""
        text = text_of(event.input) if self._texts else None
        return self._texts(text[: 4 * _LONGEST])[:_LONGEST] if self._texts and text else ""

    def note_all(self) -> None:
        """Note what is left: every window that the events so far close has been judged."""
        self._note(inf)

    def close(self, window: ClosedWindow) -> list[Card]:
        """Let a closed window count, and what was read before it closed; return the cards that are due."""
        self._note(window.end)
        self._closed_until = window.end
        self.ledger.observe(window)
        self.newcomers.advance(window.end)
        cards = self.newcomers.due(window.end, self._before)
        self.newcomers.expire(window.end)
        self.exemplars.advance(window.end)
        self.topics.advance(window.end)
        return self._masked(cards)

    def last_cards(self) -> list[Card]:
        """Return the cards of new versions that were not due yet when the input ended, as they stand."""
        return self._masked(self.newcomers.left(self._closed_until, self._before))

    def account(self, verdict: Verdict, inputs_moved: float | None, outputs_moved: float | None) -> Account:
        """Return why a series may have changed, and what shows it."""
        explanation = explain(self.question(verdict, inputs_moved, outputs_moved))
        where = verdict.series.service, verdict.series.environment
        phrases, shown = illustrated(verdict, partial(self._inside, verdict), partial(self._inquiry.before, *where))
        named = {(cause.dimension, cause.value) for cause in explanation.causes}
        return Account(
            explanation,
            phrases,
            shown,
            [card for card in self.cards(verdict) if (card.dimension, card.value) in named],
        )

    def question(
        self, verdict: Verdict, inputs_moved: float | None = None, outputs_moved: float | None = None
    ) -> Question:
        """Return what is known of a change, for `undertow.drift.causes.explain`, with the names that may be told."""
        until = min(max(self._closed_until, verdict.detected_at), verdict.detected_at + _SINCE_S)
        return self._named(self._inquiry.question(verdict, inputs_moved, outputs_moved, until))

    def calls(self, series: Series) -> int:
        """Return how many calls the slice of a series had in the last hour."""
        return self._inquiry.calls(series, self._closed_until)

    def limits(self) -> dict[str, int]:
        """Return how often each limit was hit, by name."""
        return {
            "levels_not_kept": self.ledger.dropped,
            "new_versions_not_followed": self.newcomers.dropped,
            "exemplars_forgotten": self.exemplars.dropped,
            "calls_without_topic": self.topics.dropped,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data and arrays."""
        return {
            "ledger": self.ledger.snapshot(),
            "newcomers": self.newcomers.snapshot(),
            "exemplars": self.exemplars.snapshot(),
            "topics": self.topics.snapshot(),
        }

    def cards(self, verdict: Verdict) -> list[Card]:
        """Return the cards of the versions that are new in the service of a verdict."""
        where = verdict.series.service, verdict.series.environment
        return self._masked(self.newcomers.cards(*where, self._closed_until, self._before))

    def _before(self, where: tuple[str, str]) -> Callable[[str, float, Sequence[str]], Average]:
        return partial(self._inquiry.before, *where)

    def _masked(self, cards: Sequence[Card]) -> list[Card]:
        return [msgspec.structs.replace(card, value=self._names(card.value)) for card in cards]

    def _note(self, until: float) -> None:
        while self._unnoted and self._unnoted[0][0] < until:
            self._versions.observe([self._unnoted.popleft()[1]])

    def _details(self, dims: tuple[str | None, ...], values: NDArray[np.float64]) -> Details:
        said = {name: value for name, value in zip(self._dimensions, dims, strict=True) if value is not None}
        measured = {name: float(values[column]) for column, name in self._values.items()}
        return said, {name: value for name, value in measured.items() if value == value}  # noqa: PLR0124 – no NaN

    def _named(self, question: Question) -> Question:
        """Return the question with the values that may be told."""
        replace = msgspec.structs.replace
        return replace(
            question,
            slices=[replace(one, value=self._names(one.value)) for one in question.slices],
            suspects=[
                replace(one, value=self._names(one.value), declared=self._names(one.declared))
                for one in question.suspects
            ],
            steps={(dimension, self._names(value)): span for (dimension, value), span in question.steps.items()},
        )

    def _inside(self, verdict: Verdict, span: tuple[float, float], sample: str | None) -> Iterator[Exemplar]:
        segment = verdict.series.segment
        for one in self.exemplars.between(verdict.series.service, verdict.series.environment, *span, sample):
            if all(one.dims.get(dimension) == value for dimension, value in segment):
                yield one


def _true(values: Floats, names: Sequence[str]) -> dict[int, list[str]]:
    """Return which rates are true of which row, rows of which none is left out."""
    found: dict[int, list[str]] = {}
    for row, column in np.argwhere(values == 1.0).tolist():
        found.setdefault(row, []).append(names[column])
    return found
