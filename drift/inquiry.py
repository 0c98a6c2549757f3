"""What is known of a change, put together from what is remembered: levels of slices, versions, shares that moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf, nextafter

from msgspec import structs

from undertow.drift.averages import NOTHING, Average, Shift, pooled
from undertow.drift.categories import number_of
from undertow.drift.causes import DEFINING, Question
from undertow.drift.contributions import NO_VALUE, Slice, breakdowns
from undertow.drift.ledger import Ledger
from undertow.drift.metrics import Family, resolve
from undertow.drift.newcomers import Newcomers
from undertow.drift.prices import PriceTable
from undertow.drift.repricing import repriced
from undertow.drift.segments import Group
from undertow.drift.share_steps import share_step
from undertow.drift.suspicion import ChangeTime, Suspect, fit_of_mix, fit_of_version, origin_of
from undertow.drift.topics import Topics
from undertow.drift.verdict import Series, Verdict
from undertow.drift.versions import SeenVersion, Versions

__all__ = ["Inquiry"]

Span = tuple[float, float]

_HOUR, _DAY = 3600.0, 86_400.0
_BEFORE_S = 2 * _HOUR  # holds a whole hour, which is what the ledger still knows when a version has become an old story
_EVERY_CALL = "error_rate"  # what every call says
_LOOK_BACK_S = 6 * _HOUR  # a version that came earlier has shown what it does
_HISTORY_DAYS = 7.0  # from which it is known how often versions appear
_LEAST_DAYS = 0.125
_SETTLED = 0.3  # of the time since the change must lie after its interval, for the interval to be left out
_MODELS = ("response_model", "model")  # what answered is what is paid for
_MOVED = 0.1  # a share that moved by less is no suspect


class Inquiry:
    """Answers what `causes.explain` asks, from the state of one process; a question takes some milliseconds.

    Parameters
    ----------
    groups
        The slices by number; it may grow.
    prices
        What models cost; without it no price is a suspect.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        ledger: Ledger,
        newcomers: Newcomers,
        versions: Versions,
        topics: Topics,
        prices: PriceTable | None = None,
    ) -> None:
        self._groups, self._ledger, self._newcomers, self._versions = groups, ledger, newcomers, versions
        self._topics, self._prices = topics, prices or PriceTable()

    def question(
        self,
        verdict: Verdict,
        inputs_moved: float | None = None,
        outputs_moved: float | None = None,
        until: float | None = None,
    ) -> Question:
        """Return what is known of the change of a verdict; of its whole service, whatever slice it is about.

        Levels since are those up to `until`, or to the detection. `inputs_moved` is when the service's inputs changed,
        if they did; `outputs_moved` likewise, days before them.
        """
        metric = resolve(verdict.series.metric)
        spans = _spans(verdict, verdict.detected_at if until is None else until)
        whole, slices = self._levels(verdict, spans)
        where = verdict.series.service, verdict.series.environment
        asked, topics = self._topics.levels(where, metric.name, spans)
        new = list(self._new(verdict, metric.family, spans))
        named = {(one.dimension, one.value) for one in new}
        shifted = [
            one for one in self._shifted(verdict, whole, slices, spans) if (one.dimension, one.value) not in named
        ]
        return Question(
            metric=metric.name,
            family=metric.family,
            change=ChangeTime(verdict.changed_at, verdict.changed_from, verdict.changed_to),
            whole=whole,
            slices=slices,
            suspects=[*new, *shifted, *self._repriced(verdict, whole, slices)],
            steps=dict(self._steps(verdict, whole, slices, spans)),
            inputs_moved=inputs_moved,
            outputs_moved=outputs_moved,
            of_input=metric.name.startswith("input_"),
            asked=asked,
            topics=topics,
            asking=self._topics.asked(where, spans),
        )

    def before(
        self, service: str, environment: str, metric: str, time: float, operations: Sequence[str] = ()
    ) -> Average:
        """Return the level of a service's metric in the two hours before a time.

        Of these operations alone, if each has a slice of its own.
        """
        slices = [self._number(Group(service, environment, (("operation", name),))) for name in operations]
        known = [number for number in slices if number is not None]
        if not known or len(known) < len(slices):
            whole = self._number(Group(service, environment))
            known = [] if whole is None else [whole]
        return pooled(self._ledger.average(number, metric, time - _BEFORE_S, time) for number in known)

    def calls(self, series: Series, until: float) -> int:
        """Return how many calls the slice of a series had in the hour before a time, whatever its own metric counts."""
        number = self._number(Group(series.service, series.environment, series.segment))
        stretches = [] if number is None else self._ledger.stretches(number, _EVERY_CALL, until - _HOUR, until)
        return sum(stretch.events for stretch in stretches)

    # -- levels -------------------------------------------------------------------------------------------------------

    def _levels(self, verdict: Verdict, spans: tuple[Span, Span]) -> tuple[Shift, list[Slice]]:
        """Return the level of the whole service and those of its slices; none for embeddings."""
        series, whole, slices = verdict.series, Shift(NOTHING, NOTHING), []
        if resolve(series.metric).family is Family.VECTOR:
            return whole, []
        category = number_of(verdict.moved[0][0]) if verdict.moved else None
        for number, group in enumerate(self._groups):
            if (group.service, group.environment) != (series.service, series.environment):
                continue
            shift = Shift(*(self._ledger.average(number, series.metric, *span, category) for span in spans))
            if group.segment:
                slices += [Slice(dimension, value, shift) for dimension, value in group.segment]
            else:
                whole = shift
        return whole, slices

    def _number(self, group: Group) -> int | None:
        return next((number for number, one in enumerate(self._groups) if one == group), None)

    # -- suspects -----------------------------------------------------------------------------------------------------

    def _new(self, verdict: Verdict, family: Family, spans: tuple[Span, Span]) -> Iterator[Suspect]:
        """Yield the versions that were first seen, or declared, in the hours before the change or since."""
        series, until = verdict.series, nextafter(verdict.detected_at, 0.0)  # what is of a later window is not known
        where = series.service, series.environment
        known = self._versions.first_seen_between(*where, -inf, until, exclude_first=False)
        if not known:
            return
        days = min(max((until - known[0].first_seen) / _DAY, _LEAST_DAYS), _HISTORY_DAYS)
        born = self._versions.first_seen_between(*where, until - _HISTORY_DAYS * _DAY, until)
        often = Counter(seen.dimension for seen in born)
        for seen in born:
            if seen.first_seen >= verdict.changed_from - _LOOK_BACK_S:
                yield self._suspect(seen, series.metric, family, (often[seen.dimension] - 0.5) / days, spans)

    def _suspect(
        self, seen: SeenVersion, metric: str, family: Family, per_day: float, spans: tuple[Span, Span]
    ) -> Suspect:
        where = seen.service, seen.environment
        on, off = self._newcomers.levels(*where, seen.dimension, seen.value, metric)
        operations = self._newcomers.operations(*where, seen.dimension, seen.value)
        before = self.before(*where, metric, min(seen.first_seen, spans[0][1]), operations)
        return Suspect(
            dimension=seen.dimension,
            value=seen.value,
            origin=origin_of(seen.dimension),
            since=seen.first_seen,
            until=seen.first_seen + self._newcomers.rollout_s(*where, seen.dimension, seen.value),
            share_after=on.events / (on.events + off.events) if on.events else 1.0,
            per_day=per_day,
            fit=fit_of_version(family, on, off, before),
            declared=seen.declared,
        )

    def _shifted(
        self, verdict: Verdict, whole: Shift, slices: Sequence[Slice], spans: tuple[Span, Span]
    ) -> Iterator[Suspect]:
        """Yield the versions whose share of the traffic has grown: of those that are not new, a rollback, a reroute."""
        for found in breakdowns([one for one in slices if one.dimension in DEFINING], whole):
            for part in found.parts:
                if part.share_after - part.share_before >= _MOVED and part.value != NO_VALUE:
                    since, until = self._step(verdict, (found.dimension, part.value), spans)
                    yield Suspect(
                        dimension=found.dimension,
                        value=part.value,
                        origin=origin_of(found.dimension),
                        since=since,
                        until=until,
                        share_before=part.share_before,
                        share_after=part.share_after,
                        fit=fit_of_mix(found),
                    )

    def _repriced(self, verdict: Verdict, whole: Shift, slices: Sequence[Slice]) -> Iterator[Suspect]:
        """Yield the models in use whose price has changed, with their share of the calls as far as it is known."""
        series, start = verdict.series, verdict.changed_from - _LOOK_BACK_S
        seen = self._versions.first_seen_between(
            series.service, series.environment, -inf, verdict.detected_at, exclude_first=False
        )
        used = [one for one in seen if one.last_seen >= start]
        providers = [None, *(one.value for one in used if one.dimension == "provider")]
        models = dict.fromkeys(one.value for name in _MODELS for one in used if one.dimension == name)
        named = [(provider, model) for model in models for provider in providers]
        shares = {
            one.value: one.shift.after.events / whole.after.events
            for one in slices
            if one.dimension in _MODELS and whole.after.events
        }
        for one in repriced(self._prices, named, start, verdict.detected_at, verdict.direction == "up"):
            yield structs.replace(one, share_after=shares.get(one.value, 1.0))

    def _steps(
        self, verdict: Verdict, whole: Shift, slices: Sequence[Slice], spans: tuple[Span, Span]
    ) -> Iterator[tuple[tuple[str, str], Span]]:
        """Yield when the share of that value of each dimension made its step that contributed the most."""
        for found in breakdowns([one for one in slices if one.dimension not in DEFINING], whole):
            part = found.parts[0]
            if abs(part.share_after - part.share_before) >= _MOVED and part.value != NO_VALUE:
                pair = found.dimension, part.value
                yield pair, self._step(verdict, pair, spans)

    def _step(self, verdict: Verdict, pair: tuple[str, str], spans: tuple[Span, Span]) -> Span:
        """Return between which times the share of a slice made its step."""
        series, period = verdict.series, (spans[0][0], spans[1][1])
        own, whole = (self._number(Group(series.service, series.environment, segment)) for segment in ((pair,), ()))
        if own is None or whole is None:
            return verdict.changed_from, verdict.changed_to
        total = self._ledger.stretches(whole, series.metric, *period)
        mine = {one.start: one.events for one in self._ledger.stretches(own, series.metric, *period)}
        stretches = [(one.start, one.end) for one in total]
        step = share_step(stretches, [mine.get(one.start, 0) for one in total], [one.events for one in total])
        return (step.since, step.until) if step else (verdict.changed_from, verdict.changed_to)


def _spans(verdict: Verdict, until: float) -> tuple[Span, Span]:
    """Return the times before and since that are compared: the interval of the change is in neither, if possible.

    Before is as long as since, an hour at least and a day at most, so that the hours of the day are much the same.
    """
    since = until - verdict.changed_at
    length = min(max(since, _HOUR), _DAY)
    settled = until - verdict.changed_to >= _SETTLED * since
    return (
        (verdict.changed_from - length, verdict.changed_from),
        (verdict.changed_to if settled else verdict.changed_at, until),
    )
