"""Why something changed: where it is, what it coincides with, whether users, model or mix moved; or an honest unknown.

The facade over what each part knows: `carriers` (which slices), `contributions` (shares apart from levels),
`suspicion` (which version, with which odds). Values in, values out; `alerts` puts them into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot, inf, nan, sqrt

import msgspec

from undertow.drift.averages import NOTHING, Shift, linked
from undertow.drift.carriers import Carriers, carriers
from undertow.drift.contributions import Breakdown, Slice, breakdowns
from undertow.drift.metrics import Family
from undertow.drift.repricing import PRICE
from undertow.drift.suspicion import ChangeTime, Suspect, Suspected, fit_of_mix, suspected

__all__ = ["DEFINING", "Asking", "Cause", "Explanation", "Growth", "Question", "explain"]

DEFINING = frozenset({"model", "response_model", "provider", "prompt_version", "instructions", "tools"})
_MONEY = ("cost", "spend")  # metrics that a price can move
_SAME_S = 1.0  # two names of one change are first seen within so long
_NAMES = {"instructions": "prompt_version", "response_model": "model", "fallback": "response_model"}
_MIX_SHARE = 0.5  # of a change that shares explain, from which they may be its cause
_THERE = 2.5  # standard errors by which a level must have moved for something to have moved it
_NOTHING_TO_EXPLAIN = 20.0  # evidence against every suspect where it has not
_MIX_Z = 3.0  # standard errors: one of several dimensions may stand out
_YOURS = frozenset({"version", "price"})
_NAMED = 0.5  # probability from which something of yours is said to be among the causes
_MOST_CAUSES = 10
_LEAST_ASKED = 50  # calls on either side of which it must be known what they ask
_GREW = 0.03  # share of the inputs from which a topic that grew is told
_DAY = 86_400.0


class Asking(msgspec.Struct, frozen=True):
    """How many calls of a topic there were before a change and since; `words` are its label, or its cluster's own."""

    name: str
    words: str
    before: float
    after: float


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one change.

    Parameters
    ----------
    metric, family
        What changed.
    change
        When.
    whole
        Level of all the traffic of the service shortly before and since.
    slices
        Levels by dimension and value over the same times.
    suspects
        What appeared or moved its share around the time.
    steps
        By (dimension, value), between which times its share of the traffic made a step, where it did.
    inputs_moved
        When the inputs of this service shifted, if they did lately.
    outputs_moved
        Of a metric about inputs: when the outputs of this service shifted before, if they did lately.
    of_input
        The metric is about inputs itself.
    asked, topics
        Level of all calls of which is known what they ask, and levels by that.
    asking
        How often each topic was asked before and since.
    """

    metric: str
    family: Family
    change: ChangeTime
    whole: Shift
    slices: Sequence[Slice] = ()
    suspects: Sequence[Suspect] = ()
    steps: Mapping[tuple[str, str], tuple[float, float]] = {}
    inputs_moved: float | None = None
    outputs_moved: float | None = None
    of_input: bool = False
    asked: Shift = Shift(NOTHING, NOTHING)
    topics: Sequence[Slice] = ()
    asking: Sequence[Asking] = ()


class Growth(msgspec.Struct, frozen=True):
    """A topic whose share of the inputs has moved: its name, its words and its shares."""

    name: str
    words: str
    before: float
    after: float


class Cause(msgspec.Struct, frozen=True):
    """One possible cause.

    `kind` is "version", "provider", "price", "mix" or "unknown"; `also` are those that coincide with it so closely that
    these data cannot separate them. `names` are further names of the same thing (the hash of a prompt's text).
    """

    kind: str
    dimension: str = ""
    value: str = ""
    probability: float = 0.0
    appeared: float = nan
    lead_s: float = 0.0
    chance: float = 1.0
    share_before: float = 0.0
    share_after: float = 0.0
    declared: str = ""
    also: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """Why something changed.

    Parameters
    ----------
    moved
        "mix" (shares of traffic), "users" (inputs, and nothing here), "model" (what answers, given what is asked) or
        "unclear".
    yours
        Something on the own side is among the causes.
    adapting_s
        Seconds by which inputs shifted after this change, when that is more than a day: users adapt.
    grown
        What is asked clearly more than before, the most so first.
    """

    carriers: Carriers
    breakdowns: tuple[Breakdown, ...]
    causes: tuple[Cause, ...]
    moved: str
    yours: bool
    adapting_s: float | None = None
    grown: tuple[Growth, ...] = ()


def explain(question: Question) -> Explanation:
    """Return where the change is and what may have caused it, the likeliest first."""
    found = breakdowns(question.slices, question.whole)
    places = [one for one in question.slices if one.dimension not in DEFINING]
    where = carriers(question.family, places, question.whole)
    own, names = _named_once([one for one in question.suspects if _concerns(one, question.metric)])
    if where.kind in {"alike", "unclear"} and not _is_there(question):
        own = [msgspec.structs.replace(one, fit=-_NOTHING_TO_EXPLAIN) for one in own]
    ranking = suspected([*own, *_mixes(found, question.steps)], question.change)
    causes = tuple(_cause(one, names) for one in ranking[:_MOST_CAUSES])
    return Explanation(
        where,
        tuple(found),
        causes,
        _who_moved(question, causes[0]),
        sum(cause.probability for cause in causes if cause.kind in _YOURS) >= _NAMED,
        _adapting(question),
        _grown(question.asking),
    )


def _is_there(question: Question) -> bool:
    """Tell whether the level has moved at all by now; where none is known it is taken for granted."""
    before, after = question.whole.before, question.whole.after
    if not (before.events and after.events):
        return True
    (old, old_error), (new, new_error) = linked(question.family, before), linked(question.family, after)
    return abs(new - old) >= _THERE * hypot(old_error, new_error)


def _concerns(suspect: Suspect, metric: str) -> bool:
    return suspect.dimension != PRICE or metric.startswith(_MONEY)


def _named_once(
    suspects: Sequence[Suspect],
) -> tuple[list[Suspect], dict[tuple[str, str], tuple[tuple[str, str], ...]]]:
    """Leave out second names of one change; return the rest, and the names that each of them has besides."""
    kept: list[Suspect] = []
    names: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for one in suspects:
        first = next((other for other in suspects if _is_second_name(one, other)), None)
        if first is None:
            kept.append(one)
        else:
            key = (first.dimension, first.value)
            names[key] = (*names.get(key, ()), (one.dimension, one.value))
    return kept, names


def _is_second_name(one: Suspect, other: Suspect) -> bool:
    return _NAMES.get(one.dimension) == other.dimension and abs(one.since - other.since) <= _SAME_S


def _mixes(found: Sequence[Breakdown], steps: Mapping[tuple[str, str], tuple[float, float]]) -> list[Suspect]:
    """Return the dimensions whose shares explain the change while the levels inside their values stayed."""
    return [
        _mix(one, steps.get((one.dimension, one.parts[0].value), (nan, nan)))
        for one in found
        if one.dimension not in DEFINING and _explains(one)
    ]


def _explains(found: Breakdown) -> bool:
    """Tell whether shares that moved explain at least half of the change."""
    change = found.rate + found.mix
    return (
        found.mix * change > 0
        and abs(found.mix) >= _MIX_SHARE * abs(change)
        and abs(found.mix) >= _MIX_Z * found.mix_error
    )


def _mix(found: Breakdown, step: tuple[float, float]) -> Suspect:
    """Return the value that contributed the most as a suspect that speaks for its dimension."""
    first = found.parts[0]
    return Suspect(
        dimension=found.dimension,
        value=first.value,
        origin="mix",
        since=step[0],
        until=step[1],
        share_before=first.share_before,
        share_after=first.share_after,
        fit=fit_of_mix(found),
    )


def _cause(one: Suspected, names: dict[tuple[str, str], tuple[tuple[str, str], ...]]) -> Cause:
    suspect = one.suspect
    if suspect is None:
        return Cause("unknown", probability=one.probability)
    return Cause(
        _kind(suspect),
        suspect.dimension,
        suspect.value,
        one.probability,
        suspect.since,
        one.lead_s,
        one.chance,
        suspect.share_before,
        suspect.share_after,
        suspect.declared,
        one.inseparable,
        names.get((suspect.dimension, suspect.value), ()),
    )


def _kind(suspect: Suspect) -> str:
    if suspect.origin == "mix":
        return "mix"
    if suspect.dimension == PRICE:
        return "price"
    return "provider" if suspect.origin == "provider" else "version"


def _who_moved(question: Question, first: Cause) -> str:
    """Tell users, model and mix apart: by shares of the traffic, then by levels given what is asked, then by times."""
    if first.kind == "mix":
        return "mix"
    if question.of_input:
        return "users"
    known = min(question.asked.before.events, question.asked.after.events) >= _LEAST_ASKED
    by_topic = breakdowns(question.topics, question.asked) if known else []
    given_input = _given_input(by_topic[0]) if by_topic else "unclear"
    if given_input != "unclear":
        return given_input
    change = question.change
    together = question.inputs_moved is not None and change.since <= question.inputs_moved <= change.until
    if together:
        return "users" if first.kind == "unknown" else "unclear"
    return "unclear" if known else "model"


def _given_input(found: Breakdown) -> str:
    """Return who moved by what the change is made of: other questions, or other answers to the same ones."""
    change = found.rate + found.mix
    if _explains(found) and abs(found.rate) < _MIX_SHARE * abs(change):
        return "users"
    moved = abs(found.rate) >= _THERE * found.rate_error and found.rate * change > 0
    return "model" if moved and abs(found.rate) >= _MIX_SHARE * abs(change) else "unclear"


def _grown(asking: Sequence[Asking]) -> tuple[Growth, ...]:
    """Return the topics whose share grew by three points or more, and by more than chance would have it."""
    before, after = sum(one.before for one in asking), sum(one.after for one in asking)
    if min(before, after) < _LEAST_ASKED:
        return ()
    found = [Growth(one.name, one.words, one.before / before, one.after / after) for one in asking]
    clear = [one for one in found if one.after - one.before >= max(_GREW, _MIX_Z * _share_error(one, before, after))]
    return tuple(sorted(clear, key=lambda one: (one.before - one.after, one.name)))


def _share_error(one: Growth, before: float, after: float) -> float:
    share = (one.before * before + one.after * after) / (before + after)
    return sqrt(share * (1 - share) * (1 / before + 1 / after))


def _adapting(question: Question) -> float | None:
    """Return by how long inputs shifted after outputs did, when it is more than a day."""
    inputs, outputs = question.inputs_moved, question.change.at
    if question.of_input:
        inputs, outputs = question.change.at, inf if question.outputs_moved is None else question.outputs_moved
    lag = -inf if inputs is None else inputs - outputs
    return lag if lag > _DAY else None
