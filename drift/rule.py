"""The contract of a hard rule: what must not happen even once, and what is told when it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from undertow.drift.patterns import Pattern

__all__ = ["LARGEST", "LENGTHS", "LONGEST_SHOWN", "Rule", "RuleHit", "Segment", "extremes"]

Segment = tuple[tuple[str, str], ...]

LONGEST_SHOWN = 60  # characters of a value that are shown
LARGEST = 1e15  # larger is no measurement
LENGTHS = ("input_length", "output_length")
_NUMBERS = (
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("cost", "latency", "time_to_first_token", "turn"),
)


class RuleHit(msgspec.Struct, frozen=True):
    """A rule that was broken.

    Parameters
    ----------
    reason
        One sentence: what was seen. It quotes values of dimensions, which may be personal: redact before showing.
    time
        Event time of the breach, seconds since the epoch.
    event
        Id of the event.
    events
        Breaches of this rule in this segment since the last one told, this one included.
    """

    rule: str
    service: str
    environment: str
    segment: Segment
    reason: str
    time: float
    event: str
    events: int = 1


@dataclass(frozen=True)
class Rule:
    """One rule as the configuration declares it: a pair of fields, a pattern, or a number.

    Parameters
    ----------
    fields
        Two dimensions ("region", "serving_region", "model", an attribute, an entry of `config` …) whose values must
        go together, as one of the next three says. Events that lack one of them cannot break it.
    equal
        Both values must be the same.
    allowed
        Value of the first → the only values that the second may have beside it. First values that no entry fits are
        free. `*` stands for any characters.
    forbidden
        Pairs of values that must not meet; `*` as above.
    pattern, on
        RE2 that no "output" (default) or "input" may match.
    number, above, times
        A number of the event (tokens, cost, latency, "output_length" …) that must not be above a limit, or above so
        many times what 999 of 1,000 events of its service and operation stay below, once 1,000 of them were seen.

    Raises
    ------
    ValueError
        A value cannot be used; the message names the rule, the value and the reason.
    """

    name: str
    fields: tuple[str, ...] = ()
    equal: bool = False
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    forbidden: Sequence[Sequence[str]] = ()
    pattern: str | None = None
    on: str = "output"
    number: str | None = None
    above: float | None = None
    times: float | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(f"rule '{self.name[:LONGEST_SHOWN]}': {problem}")

    def _problem(self) -> str | None:
        if not self.name.isidentifier() or len(self.name) > LONGEST_SHOWN:
            return f"the name must be letters, digits and underscores, {LONGEST_SHOWN} at most"
        kinds = sum((bool(self.fields), self.pattern is not None, self.number is not None))
        if kinds != 1:
            return "give one of `fields`, `pattern` and `number`"
        if self.fields:
            return self._problem_of_pair()
        return self._problem_of_pattern() if self.pattern is not None else self._problem_of_number()

    def _problem_of_pair(self) -> str | None:
        if len(self.fields) != 2 or self.fields[0] == self.fields[1]:
            return f"fields = {list(self.fields)} must name two different fields"
        if sum((self.equal, bool(self.allowed), bool(self.forbidden))) != 1:
            return "give one of `equal = true`, `allowed` and `forbidden`"
        wrong = next((list(pair) for pair in self.forbidden if len(pair) != 2), None)
        return None if wrong is None else f"forbidden holds {wrong}, which is no pair of values"

    def _problem_of_pattern(self) -> str | None:
        if self.on not in {"output", "input"}:
            return f"on = '{self.on}' is neither output nor input"
        try:
            Pattern(self.pattern or "")
        except ValueError as error:
            return str(error)
        return None

    def _problem_of_number(self) -> str | None:
        if self.number not in {*_NUMBERS, *LENGTHS}:
            return f"number = '{self.number}' is not one of {', '.join((*_NUMBERS, *LENGTHS))}"
        if (self.above is None) == (self.times is None):
            return "give either `above`, a limit, or `times`, a multiple of the usual"
        if self.above is not None and not 0 <= self.above <= LARGEST:
            return f"above = {self.above} is no limit; give a number from 0 to {LARGEST:g}"
        if self.times is not None and not 1 < self.times <= 1e6:
            return f"times = {self.times} is no multiple; give a number above 1"
        return None


def extremes(times: float) -> list[Rule]:
    """Return the rules that tell one absurd answer by itself, such as one of a million tokens.

    Examples
    --------
    >>> [rule.name for rule in extremes(20.0)]
    ['extreme_output_tokens', 'extreme_output_length']
    """
    return [Rule(f"extreme_{number}", number=number, times=times) for number in ("output_tokens", "output_length")]
