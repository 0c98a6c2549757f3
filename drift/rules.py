"""Hard rules: what must not happen even once, told from a single event, without statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from math import floor, inf, log2
from typing import Any

import msgspec

from undertow.drift.definition import scalar_text, shortened
from undertow.drift.interaction import Interaction, Kind, text_of
from undertow.drift.patterns import Pattern
from undertow.drift.rule import LARGEST, LENGTHS, LONGEST_SHOWN, Rule, RuleHit, Segment
from undertow.drift.segments import Reader, dimension_reader
from undertow.drift.signal import Batch

__all__ = ["Rules"]

Finding = tuple[Segment, str]  # where, and why

_VERSION = 1
_LONGEST_VALUE = 256  # characters of a value that are compared
_LEARN = 1_000  # events of a series before what is far above its history can be told
_RARE = 0.001  # the history's level is what so small a share of its events exceed
_BINS_OF_AN_OCTAVE = 4
_REFRESH = 256  # events between two looks at a history's level
_REMEMBERED_PAIRS = 4_096


class _History(msgspec.Struct, array_like=True):
    """What a number of one service and operation usually is: counts by quarter octaves, and the level told by them."""

    events: int = 0
    bins: dict[int, int] = {}
    level: float = 0.0  # what 999 of 1,000 events stay below

    def add(self, value: float) -> None:
        number = floor(log2(value) * _BINS_OF_AN_OCTAVE)
        self.bins[number] = self.bins.get(number, 0) + 1
        self.events += 1
        if self.events % _REFRESH == 0 or self.events == _LEARN:
            self.level = self._level()

    def _level(self) -> float:
        beyond = 0
        for number in sorted(self.bins, reverse=True):
            beyond += self.bins[number]
            if beyond > self.events * _RARE:
                return float(2.0 ** ((number + 1) / _BINS_OF_AN_OCTAVE))
        return 0.0


class _Told(msgspec.Struct, array_like=True):
    time: float
    since: int = 0  # breaches that were not told


class _State(msgspec.Struct):
    version: int
    checked: dict[str, int]
    untold: int
    unfollowed: int
    histories: list[tuple[str, str, str, str, _History]]
    told: list[tuple[str, str, str, Segment, _Told]]


class Rules:
    """Checks each event against all rules.

    A breach is told at once; further ones of the same rule in the same segment (service, environment, the two values,
    or the operation) within `repeat_s` of event time are counted with the next one told.

    Costs 0.8 µs an event for a pair, 2 µs for a pattern (740 characters), 1.2 µs for a number. Tool runs are checked
    for pairs only; shadow calls reach no user and are not checked for patterns.

    It cannot see what the event does not carry: `checked` counts the events that each rule could judge.

    Parameters
    ----------
    repeat_s
        Seconds of event time for which a breach, once told, is not told again.
    max_series, max_told
        Histories of numbers and breaches remembered; beyond it a number is judged by its limit alone (`unfollowed`
        counts), and the breach told longest ago is forgotten.

    Attributes
    ----------
    untold
        Breaches that were counted but not told by themselves.

    Examples
    --------
    >>> from undertow.drift.rule import Rule
    >>> rules = Rules([Rule("residency", fields=("region", "serving_region"), allowed={"eu": ["eu-*"]})])
    >>> served = {"region": "eu", "serving_region": "us-east-1"}
    >>> hits = rules.observe(Interaction(id="1", time=0.0, service="s", attributes=served))
    >>> hits[0].reason
    'region=eu with serving_region=us-east-1'
    """

    def __init__(
        self, rules: Sequence[Rule], repeat_s: float = 3600.0, max_series: int = 1000, max_told: int = 10_000
    ) -> None:
        for name, value in (("repeat_s", repeat_s), ("max_series", max_series), ("max_told", max_told)):
            if not value > 0:
                raise ValueError(f"{name} = {value} cannot bound the rules; give a positive number")
        self.rules = tuple(rules)
        self.repeat_s = repeat_s
        self.max_series = max_series
        self.max_told = max_told
        self.checked: Counter[str] = Counter()
        self.untold = self.unfollowed = 0
        self._histories: dict[tuple[str, str, str, str], _History] = {}
        self._told: dict[tuple[str, str, str, Segment], _Told] = {}
        self._judges = [(rule, self._judge(rule)) for rule in self.rules]

    def observe(self, event: Interaction) -> list[RuleHit]:
        """Return what the event breaks and has to be told; scores and changes break nothing."""
        if event.kind is not Kind.CALL and event.kind is not Kind.TOOL:
            return []
        hits = []
        for rule, judge in self._judges:
            found = judge(event)
            hit = None if found is None else self._tell(rule, event, *found)
            if hit is not None:
                hits.append(hit)
        return hits

    def _judge(self, rule: Rule) -> Callable[[Interaction], Finding | None]:
        if rule.fields:
            return self._pair(rule)
        return self._pattern(rule) if rule.pattern is not None else self._number(rule)

    def _pair(self, rule: Rule) -> Callable[[Interaction], Finding | None]:
        read, other = (dimension_reader(name) for name in rule.fields)
        breaks = lru_cache(maxsize=_REMEMBERED_PAIRS)(partial(_breaks, rule))

        def judge(event: Interaction) -> Finding | None:
            pair = _values(event, read, other)
            if pair is None:
                return None
            self.checked[rule.name] += 1
            if not breaks(*pair):
                return None
            named = [(name, shortened(value, LONGEST_SHOWN)) for name, value in zip(rule.fields, pair, strict=True)]
            return tuple(sorted(named)), " with ".join(f"{name}={value}" for name, value in named)

        return judge

    def _pattern(self, rule: Rule) -> Callable[[Interaction], Finding | None]:
        pattern = Pattern(rule.pattern or "")

        def judge(event: Interaction) -> Finding | None:
            if event.kind is Kind.TOOL or event.shadow_of is not None:
                return None
            text = Batch([event]).inputs[0] if rule.on == "input" else text_of(event.output)
            if text is None:
                return None
            self.checked[rule.name] += 1
            return (_operation(event), f"an {rule.on} matches the pattern") if pattern.found(text) else None

        return judge

    def _number(self, rule: Rule) -> Callable[[Interaction], Finding | None]:
        name = rule.number or ""

        def judge(event: Interaction) -> Finding | None:
            value = None if event.kind is Kind.TOOL else _number_of(event, name)
            if value is None or not 0 < value < inf:
                return None
            value = min(value, LARGEST)
            self.checked[rule.name] += 1
            reason = self._usual(rule, event, value) if rule.above is None else _limit(rule.above, value)
            return None if reason is None else (_operation(event), f"{name} = {_shown(value)}, {reason}")

        return judge

    def _usual(self, rule: Rule, event: Interaction, value: float) -> str | None:
        key = (rule.name, event.service, event.environment, event.operation or "")
        history = self._histories.get(key)
        if history is None:
            if len(self._histories) >= self.max_series:
                self.unfollowed += 1
                return None
            history = self._histories[key] = _History()
        far = history.events >= _LEARN and value > (rule.times or 0.0) * history.level
        reason = f"{value / history.level:,.0f} times what 999 of 1,000 calls stay below" if far else None
        history.add(value)
        return reason

    def _tell(self, rule: Rule, event: Interaction, segment: Segment, reason: str) -> RuleHit | None:
        key = (rule.name, event.service, event.environment, segment)
        told = self._told.get(key)
        if told is not None and event.time < told.time + self.repeat_s:
            told.since += 1
            self.untold += 1
            return None
        count = 1 + (told.since if told else 0)
        self._told.pop(key, None)  # the latest told stands last
        if len(self._told) >= self.max_told:
            del self._told[next(iter(self._told))]
        self._told[key] = _Told(event.time)
        return RuleHit(rule.name, event.service, event.environment, segment, reason, event.time, event.id, count)

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data."""
        histories = [(*key, history) for key, history in self._histories.items()]
        told = [(*key, seen) for key, seen in self._told.items()]
        state = _State(_VERSION, dict(self.checked), self.untold, self.unfollowed, histories, told)
        return dict(msgspec.to_builtins(state, str_keys=True))

    @classmethod
    def build(
        cls,
        rules: Sequence[Rule],
        repeat_s: float = 3600.0,
        max_series: int = 1000,
        max_told: int = 10_000,
        state: dict[str, Any] | None = None,
    ) -> Rules:
        """Return rules that go on from a snapshot, or begin; what belongs to a rule that is gone is dropped."""
        made = cls(rules, repeat_s, max_series, max_told)
        if state is None:
            return made
        if state.get("version") != _VERSION:
            raise ValueError(f"rules: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State, strict=False)
        names = {rule.name for rule in made.rules}
        made.checked.update({name: count for name, count in restored.checked.items() if name in names})
        made.untold, made.unfollowed = restored.untold, restored.unfollowed
        made._histories = {(r, s, e, o): seen for r, s, e, o, seen in restored.histories if r in names}
        made._told = {(r, s, e, where): seen for r, s, e, where, seen in restored.told if r in names}
        return made


def _values(event: Interaction, read: Reader, other: Reader) -> tuple[str, str] | None:
    first, second = read(event), other(event)
    if first is None or second is None or first == "" or second == "":
        return None
    return scalar_text(first)[:_LONGEST_VALUE], scalar_text(second)[:_LONGEST_VALUE]


def _breaks(rule: Rule, first: str, second: str) -> bool:
    """Return whether the two values must not meet."""
    if rule.equal:
        return first != second
    if rule.forbidden:
        return any(fnmatchcase(first, one) and fnmatchcase(second, two) for one, two in rule.forbidden)
    permitted = [values for key, values in rule.allowed.items() if fnmatchcase(first, key)]
    return bool(permitted) and not any(fnmatchcase(second, value) for values in permitted for value in values)


def _operation(event: Interaction) -> Segment:
    return (("operation", shortened(event.operation, LONGEST_SHOWN)),) if event.operation else ()


def _number_of(event: Interaction, name: str) -> float | None:
    if name not in LENGTHS:
        value: float | None = getattr(event, name)
        return value
    text = Batch([event]).inputs[0] if name == "input_length" else text_of(event.output)
    return None if text is None else float(len(text))


def _limit(above: float, value: float) -> str | None:
    return f"above the limit of {_shown(above)}" if value > above else None


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.6g}"
