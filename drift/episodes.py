"""Episodes: what an alarm says, what is remembered of the level that was left, and the test of a return to it.

After an alarm the detector restarts at the new level, so that worsening is seen; the episode remembers the old baseline
and ends when a test of the old level against the new one says that the series is back. A change that came at this hour
on two other days of the week before, no smaller than now, is a daily cycle beyond what a cycle was allowed: it is a
notice, and the daily profile learns it, which leaves out what changed otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import DAY, Slot
from undertow.drift.budget import WEEK
from undertow.drift.detector import Alarm, Observation, recovered
from undertow.drift.family import EVIDENCE_FLOOR, Episode, Family, Moved
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["BLOCK", "EpisodicFamily"]

BLOCK = 50.0  # events in a block at the least
# A change that lasts is looked at in every window: with less evidence than this it would be "back" by chance.
_RECOVERED = float(np.log(1e5))
_PRECISION = 0.2  # of the way back: the standard error below which a level says whether the series is back
_CYCLE_DAYS = 2  # on which a change has come before it is a cycle: one may be a rollback and a second try
_SAME_HOUR = 4 * 3600.0  # between the beginnings of changes that are one cycle, apart from the days
_NO_LARGER = 1.5  # times the one before
_CHANGE_INTERVAL = 4.0  # fall of the log-likelihood within which a change time is plausible

Ints = NDArray[np.int64]


class EpisodicFamily(Family):
    """A family that begins an episode with an alarm and ends it with a recovery."""

    # -- what an alarm says -------------------------------------------------------------------------------------------

    def _alarm(self, row: int, window: Observation, statistic: float, limit: float, direction: float) -> list[Alarm]:
        slots = np.concatenate([self.baselines.history(row), self._part[[row]]])
        first, earliest, latest = self._change_point(row, slots, direction)
        after = slots[first:].sum(axis=0)
        learned = self.baselines.before(row, slots[first:-1])
        effect = self._effect(after)
        level = self._flat(learned) + effect
        episode = self._episodes.get(row)
        if episode and self._is_back(row, episode, level, 2 * self._error(row, after)):
            episode.back_sums = after.tolist()
            return self._recover(row, episode, window, statistic, limit)
        changed_at = float(slots[first, Slot.START])
        cyclic = self._recurs(row, changed_at, effect + float(self._season(np.array([row]), changed_at)[0]))
        told = episode.told if episode else self._flat(learned)
        before = self._estimate(row, learned)
        now = self._estimate(row, after)
        alarm = Alarm(
            series=int(self._series[row]),
            kind="notice" if cyclic else self._kind(row, level - told),
            direction="up" if effect > 0 else "down",
            changed_at=changed_at,
            changed_from=earliest,
            changed_to=latest,
            before=before,
            after=now,
            events=int(after[Slot.EVENTS]),
            statistic=statistic,
            threshold=limit,
            reason=_reason(before, now, statistic, limit),
        )
        if not cyclic:
            self.baselines.set_aside(row, slots[first:])
        self._begin_episode(row, window.end, alarm, learned, after, cyclic)
        return [alarm]

    def _recurs(self, row: int, changed_at: float, effect: float) -> bool:
        """Remember an alarm, by its distance from the level of all hours; return whether such came on days before."""
        known = [moved for moved in self._moves.get(row, ()) if moved.at >= changed_at - WEEK - _SAME_HOUR]
        self._moves[row] = [*known, Moved(changed_at, effect)]
        alike = [moved.at for moved in known if effect * moved.effect >= effect**2 / _NO_LARGER]
        ago = [changed_at - at for at in alike]
        days = {round(gone / DAY) for gone in ago if abs(gone - round(gone / DAY) * DAY) <= _SAME_HOUR}
        return len(days - {0}) >= _CYCLE_DAYS

    def _change_point(self, row: int, slots: Floats, direction: float) -> tuple[int, float, float]:
        """Return the slot at which the change most likely began, and the interval of plausible times.

        What came before may lie off what was expected of it, too: a young baseline errs, and over many events small
        errors add up to more than a change.
        """
        tails = slots[::-1].cumsum(axis=0)[::-1]
        heads = tails[0] - tails
        changed = direction * (tails[:, Slot.SUM] - tails[:, Slot.EXPECTED]) > 0
        gains = np.where(changed, self._gain(row, tails) + self._gain(row, heads), 0.0)
        first = int(np.argmax(gains))
        plausible = np.flatnonzero(gains >= gains[first] - _CHANGE_INTERVAL)
        earliest = slots[max(int(plausible[0]) - 1, 0), Slot.START]
        return first, float(earliest), float(slots[int(plausible[-1]), Slot.END])

    def _kind(self, row: int, effect: float) -> str:
        """Judge a change by its distance from the episode's last page: small steps add up, none is told twice."""
        metric = int(self._metric_of(np.array([row]))[0])
        harmful = self._settings["up" if effect > 0 else "down"][metric]
        return "page" if harmful and abs(effect) >= self._settings["page_from"][metric] else "notice"

    def _begin_episode(self, row: int, at: float, alarm: Alarm, learned: Floats, after: Floats, cyclic: bool) -> None:
        known = self._episodes.get(row)
        level, effect = self._flat(learned), self._effect(after)
        shift = 0.0 if cyclic else effect  # a cycle is the profile's to learn
        told = known.told if known else level
        self._episodes[row] = Episode(
            sums=known.sums if known else learned.tolist(),
            before=known.before if known else alarm.before,
            level_before=known.level_before if known else level,
            level_after=level + effect,
            changed_at=known.changed_at if known else alarm.changed_at,
            changed_to=known.changed_to if known else alarm.changed_to,
            told=level + effect if cyclic or alarm.kind == "page" else told,
            alarms=[*(known.alarms if known else []), at],
            shift=(known.shift if known else 0.0) + shift,
        )
        self._restart(row, np.concatenate([after[: Slot.SMALL], learned[Slot.SMALL :]]), shift, at)

    def _restart(self, row: int, sums: Floats, shift: float, time: float) -> None:
        """Begin anew with these sums, whose level lies by `shift` from the one before; the daily profile goes along."""
        self.baselines.move(row, lambda events, sums: self._moved(events, sums, shift))
        self.baselines.restart(row, sums, time)
        self._clear(row)

    def _clear(self, row: int) -> None:
        self._evidence[row] = EVIDENCE_FLOOR
        self._segment[row] = 0
        self._part[row] = 0
        self._small[row] = 0

    # -- recovery -----------------------------------------------------------------------------------------------------

    def _recoveries(self, rows: Ints, window: Observation, flat: Floats) -> list[Alarm]:
        if not self._episodes:
            return []
        alarms: list[Alarm] = []
        for index in np.flatnonzero(np.isin(rows, list(self._episodes))):
            part = np.zeros(Slot.WIDTH)
            part[[Slot.EVENTS, Slot.SUM]] = window.events[index], window.sums[index]
            part[[Slot.RAW, Slot.FLAT]] = window.raw[index], flat[index]
            alarms += self._test_return(int(rows[index]), part, window)
        return alarms

    def _test_return(self, row: int, part: Floats, window: Observation) -> list[Alarm]:
        episode = self._episodes[row]
        season = float(self._season(np.array([row]), window.start)[0])
        changed = self._level_after(row, episode)
        since = np.array(episode.back_sums) + part if episode.back > 0 else part
        episode.back = max(episode.back, 0.0) + self._return_ratio(
            row, part, episode.level_before + season, changed + season
        )
        episode.back_sums = since.tolist()
        if episode.back < _RECOVERED or since[Slot.EVENTS] < BLOCK:
            return []
        error = self._error(row, since)
        unclear = error > abs(changed - episode.level_before) * _PRECISION  # a partial return looks alike
        if unclear or not self._is_back(row, episode, self._flat(since), error):
            return []
        return self._recover(row, episode, window, episode.back, _RECOVERED)

    def _level_after(self, row: int, episode: Episode) -> float:
        """Return the level since the change: the one learned since, unless that is already on its way back."""
        if self._known(np.array([row]))[0]:
            learned = self._flat(self.baselines.sums[row])
            if abs(learned - episode.level_after) < abs(learned - episode.level_before):
                return learned
        return episode.level_after

    def _is_back(self, row: int, episode: Episode, level: float, noise: float) -> bool:
        """Return whether a level is nearer to the one before the episode and within `page_from` and its noise of it."""
        metric = int(self._metric_of(np.array([row]))[0])
        off = abs(level - episode.level_before)
        near = off < self._settings["page_from"][metric] + noise
        return bool(near and off < abs(level - episode.level_after))

    def _recover(self, row: int, episode: Episode, window: Observation, statistic: float, limit: float) -> list[Alarm]:
        now = self._estimate(row, np.array(episode.back_sums))
        direction = "down" if episode.level_after > episode.level_before else "up"
        reason = (
            f"back at {now.value:.4g} over {now.events} events, against {episode.before.value:.4g} before the change"
        )
        self._restart(row, np.array(episode.sums), -episode.shift, window.end)
        del self._episodes[row]
        series, levels = int(self._series[row]), (episode.before, now)
        return recovered(series, window.end, episode.alarms, levels, (statistic, limit), reason, direction)


def _reason(before: Estimate, now: Estimate, statistic: float, limit: float) -> str:
    return (
        f"{now.events} events at {now.value:.4g} [{now.low:.4g}, {now.high:.4g}] against {before.value:.4g} "
        f"[{before.low:.4g}, {before.high:.4g}] before: evidence {statistic:.1f} of {limit:.1f} needed"
    )
