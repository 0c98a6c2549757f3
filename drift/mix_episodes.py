"""Episodes of mixes: what an alarm says, and the test of a return to the shares that were left.

As with scalars, the detector restarts at the new shares after an alarm, so that worsening is seen; the departure
remembers the old ones and ends when the shares are back at them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, xlogy

from undertow.drift.baselines import Slot
from undertow.drift.detector import Alarm, Observation, recovered
from undertow.drift.mix_columns import MixColumns
from undertow.drift.mix_series import Departure, share_of
from undertow.drift.mixes import Kind, cells, link
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["BLOCK", "EpisodicMixes"]

BLOCK = 50.0  # events in a block at the least
_TOLD = 8  # categories that an alarm names
_MOVED = 2.0  # gain of log-likelihood from which a category counts as moved
# A change that lasts is looked at in every window: with less evidence than this it would be "back" by chance.
_RECOVERED = float(np.log(1e5))
_PRECISION = 0.2  # of the way back: the standard error below which a share says whether the mix is back
_TINY = 1e-6
_CHANGE_INTERVAL = 4.0  # fall of the log-likelihood within which a change time is plausible

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class EpisodicMixes(MixColumns):
    """Begins an episode with an alarm and ends it with a recovery."""

    # -- what an alarm says -------------------------------------------------------------------------------------------

    def _alarm(
        self, row: int, window: Observation, statistic: float, limit: float, fired: tuple[int, float]
    ) -> list[Alarm]:
        slots = np.concatenate([self.mixes.history(row), self._part[[row]]])
        first, earliest, latest = self._change_point(row, slots, *fired)
        after = slots[first:].sum(axis=0)
        learned = self.mixes.before(row, slots[first:-1])
        moved = self._moved(row, after, fired[0])
        before, level = _levels(learned, after, moved)
        departure = self._departures.get(row)
        if departure and self._is_back(row, departure, level, 2 * self._errors(row, after)):
            departure.back_sums = after.tolist()
            return self._recover(row, departure, window, statistic, limit)
        told = np.array(departure.told) if departure else before
        now, then = self._estimate(row, moved[0], after), self._estimate(row, moved[0], learned)
        alarm = Alarm(
            series=int(self._series[row]),
            kind=self._kind(row, expit(told[moved]), expit(level[moved])),
            direction="shift",
            changed_at=float(slots[first, Slot.START]),
            changed_from=earliest,
            changed_to=latest,
            before=then,
            after=now,
            events=int(after[Slot.EVENTS]),
            statistic=statistic,
            threshold=limit,
            reason=_reason(then, now, self._size(row, learned, after, moved), statistic, limit),
            moved=self._told(row, learned, after, moved),
        )
        self.mixes.set_apart(row, slots[first:])
        self._depart(row, window.end, alarm, (moved[0], learned, before, level))
        cells(after)[Kind.SPREAD :] = cells(learned)[Kind.SPREAD :]  # the clustering is what it was
        after[[Slot.SMALL, Slot.LARGE_WEIGHT]] = learned[[Slot.SMALL, Slot.LARGE_WEIGHT]]
        self._restart(row, after, level - before, window.end)
        return [alarm]

    def _change_point(self, row: int, slots: Floats, column: int, direction: float) -> tuple[int, float, float]:
        """Return the slot at which the change most likely began, and the interval of plausible times."""
        tails = slots[::-1].cumsum(axis=0)[::-1]
        heads = tails[0] - tails
        counts, expected = cells(tails)[:, Kind.COUNT, column], cells(tails)[:, Kind.EXPECTED, column]
        factor = self.mixes.pooled_dispersion(np.array([row]))
        gains = np.where(direction * (counts - expected) > 0, (_gain(tails) + _gain(heads)) / factor, 0.0)
        first = int(np.argmax(gains))
        plausible = np.flatnonzero(gains >= gains[first] - _CHANGE_INTERVAL)
        earliest = slots[max(int(plausible[0]) - 1, 0), Slot.START]
        return first, float(earliest), float(slots[int(plausible[-1]), Slot.END])

    def _moved(self, row: int, after: Floats, fired: int) -> Ints:
        """Return the columns whose share has moved, largest change first; of equal ones the one that rose."""
        events, counts, expected = after[Slot.EVENTS], cells(after)[Kind.COUNT], cells(after)[Kind.EXPECTED]
        own, usual = (counts + 0.5) / (events + 1), (expected + 0.5) / (events + 1)
        gain = xlogy(counts, own / usual) + xlogy(events - counts, (1 - own) / (1 - usual))
        moved = gain / self.mixes.dispersion(np.array([row]))[0] >= _MOVED
        moved[fired] = True
        moved &= self.lines.used(np.array([row]))[0]
        order = np.lexsort((-(counts - expected), -np.round(abs(counts - expected) / events, 6)))
        found: Ints = order[moved[order]]
        return found

    def _told(self, row: int, learned: Floats, after: Floats, moved: Ints) -> tuple[tuple[int, float, float], ...]:
        before, now = (
            np.clip(cells(sums)[Kind.COUNT] / max(sums[Slot.EVENTS], 1.0), 0, 1) for sums in (learned, after)
        )
        names = self.lines.names[row]
        return tuple((int(names[column]), float(before[column]), float(now[column])) for column in moved[:_TOLD])

    def _kind(self, row: int, told: Floats, now: Floats) -> str:
        """Judge a change by its distance from the episode's last page: small steps add up, none is told twice."""
        one = np.array([row])
        large = _total_variation(now - told) >= self._setting("page_from", one)[0]
        return "page" if large and self._setting("harmful", one)[0] else "notice"

    def _size(self, row: int, learned: Floats, after: Floats, moved: Ints) -> Estimate:
        """Return the share of the events that changed category, with its 95 % interval.

        All that rose counts as one category, or all that fell: the interval is that of a difference of two shares
        (Newcombe 1998).
        """
        events, usual = after[Slot.EVENTS], cells(after)[Kind.EXPECTED, moved]
        shift = cells(after)[Kind.COUNT, moved] - usual
        rises = shift.clip(0).sum() >= -shift.clip(None, 0).sum()
        side = shift > 0 if rises else shift < 0
        factor = float(self.mixes.dispersion(np.array([row]), errors=0.0)[0, moved[side]].max())
        now = share_of(float(cells(after)[Kind.COUNT, moved[side]].sum()), float(events), factor)
        was = share_of(float(usual[side].sum() / events * learned[Slot.EVENTS]), float(learned[Slot.EVENTS]), factor)
        return _difference(was, now) if rises else _difference(now, was)

    def _depart(self, row: int, at: float, alarm: Alarm, change: tuple[int, Floats, Floats, Floats]) -> None:
        lead, learned, before, level = change
        known = self._departures.get(row)
        told = np.array(known.told) if known else before
        self._departures[row] = Departure(
            sums=known.sums if known else learned.tolist(),
            before=known.before if known else before.tolist(),
            after=level.tolist(),
            told=(level if alarm.kind == "page" else told).tolist(),
            lead=known.lead if known else int(lead),
            estimate=known.estimate if known else alarm.before,
            changed_at=known.changed_at if known else alarm.changed_at,
            changed_to=known.changed_to if known else alarm.changed_to,
            alarms=[*(known.alarms if known else []), at],
        )

    def _restart(self, row: int, sums: Floats, shifts: Floats, time: float) -> None:
        """Begin anew with these sums, whose log odds lie by `shifts` from before; the daily profile goes along."""
        had = float(self.mixes.learned(np.array([row]))[0] + self._part[row, Slot.EVENTS])
        self.mixes.begin(row, sums, shifts, time)
        self.lines.close(np.array([row]))
        self.lines.rescale(row, float(sums[Slot.EVENTS]) / max(had, 1.0))
        self._part[row] = 0
        self._begin_evidence(np.array([row]))

    # -- recovery -----------------------------------------------------------------------------------------------------

    def _recoveries(self, rows: Ints, window: Observation, counts: Floats, flat: Floats) -> list[Alarm]:
        if not self._departures:
            return []
        alarms: list[Alarm] = []
        for index in np.flatnonzero(np.isin(rows, list(self._departures))):
            part = np.zeros(self._part.shape[1])
            part[Slot.EVENTS] = window.events[index]
            cells(part)[Kind.COUNT], cells(part)[Kind.FLAT] = counts[index], flat[index]
            alarms += self._test_return(int(rows[index]), part, window)
        return alarms

    def _test_return(self, row: int, part: Floats, window: Observation) -> list[Alarm]:
        departure = self._departures[row]
        since = np.array(departure.back_sums) + part if departure.back > 0 else part
        departure.back = max(departure.back, 0.0) + self._return_ratio(row, departure, part, window.start)
        departure.back_sums = since.tolist()
        if departure.back < _RECOVERED or since[Slot.EVENTS] < BLOCK:
            return []
        errors, lead = self._errors(row, since), departure.lead
        unclear = errors[lead] > abs(departure.after[lead] - departure.before[lead]) * _PRECISION
        level = link(cells(since)[Kind.FLAT], since[Slot.EVENTS])
        if unclear or not self._is_back(row, departure, level, errors):  # a partial return looks alike
            return []
        return self._recover(row, departure, window, departure.back, _RECOVERED)

    def _return_ratio(self, row: int, departure: Departure, part: Floats, time: float) -> float:
        """Return ln P(part | shares before) − ln P(part | shares after), tempered by the clustering."""
        one = np.array([row])
        used = self.lines.used(one)[0]
        season = self.mixes.shifts(one, time)[0]
        before, after = np.array(departure.before), np.array(departure.after)
        if self._known(one)[0]:  # the shares learned since, unless they are already on their way back
            learned = link(cells(self.mixes.sums[row])[Kind.FLAT], self.mixes.sums[row, Slot.EVENTS])
            if expit(learned) @ _log_ratio(before, after, used) < 0:
                after = learned
        ratio = cells(part)[Kind.COUNT] @ _log_ratio(before + season, after + season, used)
        return float(ratio / self.mixes.pooled_dispersion(one)[0])

    def _errors(self, row: int, sums: Floats) -> Floats:
        """Return the standard errors of the levels of these sums."""
        errors: Floats = np.sqrt(self.mixes.noise(np.array([row]), sums[Slot.EVENTS], cells(sums)[Kind.FLAT])[0])
        return errors

    def _is_back(self, row: int, departure: Departure, level: Floats, noise: Floats) -> bool:
        """Return whether no share lies off what it was, and the one that moved most lies nearer to it than to after."""
        one, lead = np.array([row]), departure.lead
        before, after, share = np.array(departure.before), departure.after[lead], expit(level)
        off = abs(share - expit(before)) >= self._setting("page_from", one)[0] + noise * share * (1 - share)
        near = abs(level[lead] - before[lead]) < abs(level[lead] - after)
        return bool(near and not (off & self.lines.used(one)[0]).any())

    def _recover(
        self, row: int, departure: Departure, window: Observation, statistic: float, limit: float
    ) -> list[Alarm]:
        lead, sums = departure.lead, np.array(departure.sums)
        now = self._estimate(row, lead, np.array(departure.back_sums))
        was = departure.estimate.value
        reason = f"back at {now.value:.2%} over {now.events} events, against {was:.2%} before the change"
        moved = self._told(row, sums, np.array(departure.back_sums), np.array([lead]))
        sums[[Slot.SMALL, Slot.LARGE_WEIGHT]] += 1  # what has come back was a job, or may as well have been one
        self._restart(row, sums, np.array(departure.before) - np.array(departure.after), window.end)
        del self._departures[row]
        series, levels = int(self._series[row]), (departure.estimate, now)
        return recovered(series, window.end, departure.alarms, levels, (statistic, limit), reason, moved=moved)


def _levels(learned: Floats, after: Floats, moved: Ints) -> tuple[Floats, Floats]:
    """Return the levels before and after a change; the shares that have not moved share what the others leave."""
    before = link(cells(learned)[Kind.FLAT], learned[Slot.EVENTS])
    events = after[Slot.EVENTS]
    usual = np.clip(cells(after)[Kind.EXPECTED] / events, _TINY, 1 - _TINY)
    effect = link(cells(after)[Kind.COUNT], events) - logit(usual)
    shares, now = expit(before), expit(before + effect)
    others = np.ones(len(before), bool)
    others[moved] = False
    left = max(1 - now[moved].sum(), 0.0) / max(1 - shares[moved].sum(), _TINY)
    now[others] = shares[others] * left
    return before, logit(np.clip(now, _TINY, 1 - _TINY))


def _gain(sums: Floats) -> Floats:
    """Return the multinomial log-likelihood that each slot gains by shares of its own over the expected ones."""
    counts, expected = cells(sums)[:, Kind.COUNT], cells(sums)[:, Kind.EXPECTED] + _TINY
    events = sums[:, Slot.EVENTS, None]
    usual = expected / expected.sum(axis=1, keepdims=True)
    own = (counts + usual) / (events + 1)  # half-known shares: a slot of few events has none of its own
    gain: Floats = (counts * np.log(own / usual)).sum(axis=1)
    return gain


def _log_ratio(before: Floats, after: Floats, used: Bools) -> Floats:
    """Return ln(share before / share after) of each column; both mixes add up to one."""
    shares = [np.where(used, expit(levels), 0.0) for levels in (before, after)]
    old, new = (share / share.sum() for share in shares)
    return np.where(used, np.log(np.where(used, old, 1.0) / np.where(used, new, 1.0)), 0.0)


def _total_variation(shifts: Floats) -> float:
    """Return how much of the whole these shifts of shares move, whatever the shares that are not among them do."""
    return float(max(shifts.clip(0).sum(), -shifts.clip(None, 0).sum()))


def _difference(low: Estimate, high: Estimate) -> Estimate:
    """Return how far one share lies above another, with Newcombe's interval (1998)."""
    size = max(high.value - low.value, 0.0)
    below = np.hypot(high.value - high.low, low.high - low.value)
    above = np.hypot(high.high - high.value, low.value - low.low)
    return Estimate(size, max(size - float(below), 0.0), min(size + float(above), 1.0), high.events)


def _reason(before: Estimate, now: Estimate, size: Estimate, statistic: float, limit: float) -> str:
    return (
        f"{size.value:.2%} [{size.low:.2%}, {size.high:.2%}] of {now.events} events changed category, most of all one "
        f"from {before.value:.2%} to {now.value:.2%}: evidence {statistic:.1f} of {limit:.1f} needed"
    )
