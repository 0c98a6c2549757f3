"""Changes whose cause is known: traffic of one service with a planted cause, drawn by a seeded sampler.

A draw is a timeline of calls. At one time something happens that moves the metric, everywhere or in one slice, at once
or by and by, for all calls or a part of them; or nothing that anybody can see. Around it other things happen that do
nothing: new versions of the same kind and of others, some close by, some in the very same rollout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from undertow.drift.averages import Average, Shift, average_of
from undertow.drift.causes import Question
from undertow.drift.contributions import Slice
from undertow.drift.metrics import Family
from undertow.drift.rollouts import rollout_s
from undertow.drift.share_steps import share_step
from undertow.drift.suspicion import ChangeTime, Suspect, fit_of_version, origin_of

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR, DAY = 3600.0, 86_400.0
HISTORY = 4 * HOUR  # of calls before the change
MOST_CALLS = 80_000
KINDS = (
    "prompt_version",
    "model",
    "response_model",
    "tools",
    "config.temperature",
    "price",
    "mix",
    "unseen",
    "nothing",
)
VERSIONED = ("prompt_version", "model", "response_model", "provider", "tools", "config.temperature", "config.index")
SENT = 0.35  # share of the other calls that become calls of one operation …
STEP = {Family.RATE: 1.6, Family.POSITIVE: 0.9}  # … whose level is so far from theirs
CHURNING = "config.build"  # a new value every few minutes


@dataclass
class Happening:
    """Something that happened: a new version of a dimension, from a time on, for a part of the calls."""

    dimension: str
    value: str
    time: float
    share: float = 1.0
    ramp_s: float = 0.0
    per_day: float = 3.0
    like: int = -1  # index of another happening whose calls are the same ones


@dataclass
class Planted:
    """One draw: what is asked, and what is true."""

    kind: str
    question: Question
    truth: tuple[str, str] | None
    twins: tuple[tuple[str, str], ...]  # happened to the very same calls: no data can tell them apart
    slice: tuple[str, str] | None  # where the change is; None when it is everywhere
    happenings: list[Happening] = field(default_factory=list)


def planted(seed: int, kind: str | None = None) -> Planted:
    """Draw a planted cause."""
    return _Draw(np.random.default_rng([seed, 12]), kind).planted()


class _Draw:
    def __init__(self, rng: np.random.Generator, kind: str | None) -> None:
        self.rng = rng
        self.kind = kind or str(rng.choice(KINDS))
        self.family = Family.POSITIVE if self.kind == "price" or rng.random() < 0.5 else Family.RATE
        self.base = float(np.log(rng.uniform(0.005, 0.08))) if self.family is Family.RATE else 6.0
        self.spread = float(rng.uniform(0.4, 0.9))  # of lengths, on the log
        self.size = self._size()
        self.sizes = {"region": int(rng.integers(2, 6)), "operation": int(rng.integers(2, 6))}
        self.offsets = {name: rng.normal(0, 0.25, size) for name, size in self.sizes.items()}
        self.shares = {name: rng.dirichlet(np.full(size, 4.0)) for name, size in self.sizes.items()}
        self.place = self._place()
        self.happenings = self._happenings()

    def planted(self) -> Planted:
        rng = self.rng
        needed = self._calls_to_detect()
        rate = float(np.exp(rng.uniform(np.log(0.3), np.log(5.0))))
        after = self._seconds_to_detect(needed / rate)
        if (HISTORY + after) * rate > MOST_CALLS:
            rate = MOST_CALLS / (HISTORY + after)
            after = self._seconds_to_detect(needed / rate)
        times = np.sort(rng.uniform(-HISTORY, after, int((HISTORY + after) * rate)))
        values = self._values_of_dimensions(times)
        on = self._on(times, values)
        level = self._levels(times, values, on)
        measured = self._measured(level)
        change = self._change_time(rate, needed, after)
        seen = [h for h in self.happenings if h.time < after]
        return Planted(
            self.kind,
            self._question(times, values, measured, on, change, seen),
            self._truth(),
            tuple((h.dimension, h.value) for h in self.happenings if h.like == 0),
            self.place,
            self.happenings,
        )

    # -- what happens -------------------------------------------------------------------------------------------------

    def _size(self) -> float:
        low, high = (0.7, 2.2) if self.family is Family.RATE else (0.12, 0.6)
        size = float(self.rng.uniform(low, high)) * (1 if self.rng.random() < 0.6 else -1)
        return 0.0 if self.kind in {"mix", "nothing"} else size

    def _place(self) -> tuple[str, str] | None:
        if self.kind in {"mix", "nothing", "price"} or self.rng.random() < 0.6:
            return None
        dimension = str(self.rng.choice(["region", "operation"]))
        return dimension, f"{dimension}-{self.shares[dimension].argmax()}"

    def _happenings(self) -> list[Happening]:
        rng = self.rng
        own = []
        if self.kind not in {"mix", "unseen", "nothing"}:
            whole = self.kind == "price" or rng.random() < 0.55
            ramp = 0.0 if whole or rng.random() < 0.5 else float(rng.uniform(60, 1800))
            share = 1.0 if whole else float(rng.uniform(0.15, 0.95))
            own = [Happening(self.kind, "planted", 0.0, share, ramp, float(rng.uniform(0.2, 6)))]
        decoys = [self._decoy(number) for number in range(int(rng.poisson(2.0)))]
        if rng.random() < 0.25:
            decoys.append(
                Happening(str(rng.choice(VERSIONED)), "close", float(rng.normal(0, 400)), self._share(), 0.0, 3.0)
            )
        if own and rng.random() < 0.12:
            dimension = str(rng.choice([name for name in VERSIONED if name != self.kind]))
            decoys.append(
                Happening(dimension, "twin", own[0].time, own[0].share, own[0].ramp_s, own[0].per_day, like=0)
            )
        if rng.random() < 0.2:
            decoys += [Happening(CHURNING, f"b{n}", float(rng.uniform(-1800, 600)), 1.0, 0.0, 200.0) for n in range(5)]
        return own + decoys

    def _decoy(self, number: int) -> Happening:
        time = float(self.rng.uniform(-HISTORY, HISTORY / 8))
        dimension = str(self.rng.choice(VERSIONED))
        return Happening(dimension, f"decoy-{number}", time, self._share(), 0.0, float(self.rng.uniform(0.2, 6)))

    def _share(self) -> float:
        return 1.0 if self.rng.random() < 0.5 else float(self.rng.uniform(0.1, 0.95))

    def _truth(self) -> tuple[str, str] | None:
        if self.kind == "mix":
            return "operation", f"operation-{self.sizes['operation'] - 1}"
        return (self.kind, "planted") if self.happenings and self.happenings[0].value == "planted" else None

    # -- the calls ----------------------------------------------------------------------------------------------------

    def _calls_to_detect(self) -> float:
        """Return about how many calls a detector needs: those that give 15 to 40 natural units of evidence."""
        share = 1.0 if self.place is None else float(self.shares[self.place[0]].max())
        share *= self.happenings[0].share if self._truth() and self.kind != "mix" else 1.0
        size = self.size or 1.0
        if self.kind == "mix":
            share, size = SENT * (1 - float(self.shares["operation"][-1])), STEP[self.family]
        if self.family is Family.RATE:
            p = float(np.exp(self.base))
            moved = p * np.exp(size) / (1 - p + p * np.exp(size))
            q = p + share * (moved - p)
            information = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
        else:
            information = (share * size / self.spread) ** 2 / 2
        return float(np.clip(self.rng.uniform(15, 40) / information, 60, 40_000))

    def _seconds_to_detect(self, whole: float) -> float:
        """Return how long a detector takes that needs `whole` seconds of the full effect: evidence goes by its square.

        While a rollout grows, the square of its share is (t / ramp)², whose integral is t³ / 3 ramp².
        """
        ramp = self.happenings[0].ramp_s if self._truth() and self.happenings else 0.0
        growing = (3 * whole * ramp**2) ** (1 / 3)
        return max(growing if growing < ramp else whole + 2 / 3 * ramp, 20.0)

    def _values_of_dimensions(self, times: Floats) -> dict[str, Ints]:
        values = {}
        for name, shares in self.shares.items():
            values[name] = self.rng.choice(len(shares), len(times), p=shares)
        if self.kind == "mix":
            late = times >= 0
            last = self.sizes["operation"] - 1
            sent = late & (self.rng.random(len(times)) < SENT)
            values["operation"] = np.where(sent, last, values["operation"])
        return values

    def _on(self, times: Floats, values: dict[str, Ints]) -> list[Bools]:
        on: list[Bools] = []
        for one in self.happenings:
            if one.like >= 0:
                on.append(on[one.like])
                continue
            grown = np.clip((times - one.time) / one.ramp_s, 0, 1) if one.ramp_s else 1.0
            on.append((times >= one.time) & (self.rng.random(len(times)) < one.share * grown))
        return on

    def _levels(self, times: Floats, values: dict[str, Ints], on: list[Bools]) -> Floats:
        level: Floats = np.full(len(times), self.base)
        for name, offsets in self.offsets.items():
            level += offsets[values[name]]
        if self.kind == "mix":  # one operation is far from the others
            level[values["operation"] == self.sizes["operation"] - 1] += STEP[self.family]
            return level
        moved = on[0] if self._truth() else times >= 0
        if self.place is not None:
            moved = moved & (values[self.place[0]] == int(self.place[1].rsplit("-", 1)[1]))
        level[moved] += self.size
        return level

    def _measured(self, level: Floats) -> Floats:
        if self.family is Family.POSITIVE:
            values: Floats = level + self.rng.normal(0, self.spread, len(level))
            return values
        odds = np.exp(level)
        hits: Floats = (self.rng.random(len(level)) < odds / (1 + odds)).astype(np.float64)
        return hits

    # -- what is known of it ------------------------------------------------------------------------------------------

    def _change_time(self, rate: float, needed: float, after: float) -> ChangeTime:
        """Return the time that a detector estimates: the surer, the more each call says; never after it detects."""
        spread = max(needed / 30 * 2 / rate, 5.0)
        ramp = self.happenings[0].ramp_s if self._truth() and self.happenings else 0.0
        late = min(ramp, after) * self.rng.uniform(0.2, 0.7)
        at = min(float(self.rng.normal(late, spread)), 0.9 * after)
        half = 1.96 * spread * float(self.rng.uniform(0.8, 1.3))
        return ChangeTime(at, at - half, at + half)

    def _question(
        self,
        times: Floats,
        values: dict[str, Ints],
        measured: Floats,
        on: list[Bools],
        change: ChangeTime,
        seen: list[Happening],
    ) -> Question:
        before = times < change.since
        after = times >= max(min(change.until, times[-1] - 0.3 * (times[-1] - change.at)), change.at)
        whole = Shift(self._average(measured[before]), self._average(measured[after]))
        slices = [
            Slice(
                name,
                f"{name}-{value}",
                Shift(*(self._average(measured[p & (codes == value)]) for p in (before, after))),
            )
            for name, codes in values.items()
            for value in range(self.sizes[name])
        ]
        suspects = [
            self._suspect(one, mask, times, measured, after, change)
            for one, mask in zip(self.happenings, on, strict=True)
            if one in seen
        ]
        metric = {Family.RATE: "refusal_rate", Family.POSITIVE: "output_length"}[self.family]
        return Question(
            metric="cost_per_task" if self.kind == "price" else metric,
            family=self.family,
            change=change,
            whole=whole,
            slices=slices,
            suspects=suspects,
            steps=self._steps(times, values),
        )

    def _steps(self, times: Floats, values: dict[str, Ints]) -> dict[tuple[str, str], tuple[float, float]]:
        """Return when the share of each value of each dimension made a step in the last hour and since."""
        edges = np.linspace(-HOUR, times[-1], 41)
        total = np.histogram(times, edges)[0].tolist()
        found = {}
        for name, codes in values.items():
            for value in range(self.sizes[name]):
                own = np.histogram(times[codes == value], edges)[0].tolist()
                step = share_step(list(pairwise(edges.tolist())), own, total)
                if step is not None and abs(step.after - step.before) >= 0.1:
                    found[name, f"{name}-{value}"] = (step.since, step.until)
        return found

    def _suspect(
        self, one: Happening, on: Bools, times: Floats, measured: Floats, after: Bools, change: ChangeTime
    ) -> Suspect:
        since = times >= one.time
        before = self._average(measured[times < min(one.time, change.since)])
        levels = self._average(measured[on]), self._average(measured[since & ~on])
        price = one.dimension == "price"
        first = float(times[on][0]) if on.any() and not price else one.time
        seen_a_week = self.rng.poisson(one.per_day * 7)
        return Suspect(
            dimension=one.dimension,
            value=one.value,
            origin=origin_of(one.dimension),
            since=first,
            until=first
            if price
            else first + rollout_s((times[on] - first).tolist(), (times[since & ~on] - first).tolist()),
            share_after=1.0 if price else float(on[after].mean()) if after.any() else 0.0,
            per_day=(seen_a_week + 0.5) / 7,
            fit=0.0 if price else fit_of_version(self.family, *levels, before),
        )

    def _average(self, values: Floats) -> Average:
        return average_of(self.family, len(values), float(values.sum()), float((values**2).sum()))
