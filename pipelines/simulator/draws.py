"""Draws of whole blocks: who arrives, which steps follow, how each of them turns out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from undertow.pipelines.simulator import cycles, world
from undertow.pipelines.simulator.columns import Arrivals, Bools, Calls, Floats, Ints, Texts
from undertow.pipelines.simulator.journeys import CONSULTED, SUMMARIZED, TOOLS, TURNS_MORE, TURNS_MOST, Step, journey
from undertow.pipelines.simulator.phrases import INTENTS
from undertow.pipelines.simulator.world import MODELS, OPERATIONS, Model, Operation

__all__ = ["Numbers", "Outcome", "Row", "draw_arrivals", "draw_calls", "steps_of", "turn_out"]

_ROUNDS = (10, 22)  # of two agents that ask each other in circles: 16 on average, two calls each
_CACHE_HIT = 0.8
_CACHED_FROM = 1024  # tokens: providers cache no shorter prompt
_CHATS = tuple(INTENTS.values())


class Outcome(IntEnum):
    """How a call turned out; what the simulator knows and the event does not say."""

    ANSWERED = 0
    HEDGED = 1
    TRUNCATED = 2
    RENAMED = 3
    INVALID = 4
    REFUSED = 5
    EMPTY = 6
    FAILED = 7


@dataclass(frozen=True)
class Numbers:
    """The random numbers of each call, as many whatever happens to it."""

    uniform: Floats  # 10 rows
    normal: Floats  # 5 rows
    word: NDArray[np.uint64]  # 2 rows


class Row(NamedTuple):
    """One call with everything decided but its words."""

    time: float
    step: Step
    operation: Operation
    asked: Model
    owner: int
    outcome: int
    response_model: str
    prompt_version: str
    fingerprint: str
    tools_version: str | None
    variant: str | None
    output_chars: float
    input_chars: float
    token_noise: float
    first_token_s: float
    pace: float  # seconds per output token
    slowness: float  # multiplies the latency
    cached_tokens: int
    says_cost: bool
    chatty: bool
    word: int
    task_word: int
    fate: float  # uniform: which of the errors, whether a tool fails


def draw_arrivals(rng: Generator, service: str, time: Floats, cycle: float) -> Arrivals:
    """Draw who arrives at these moments, and what they want."""
    count = len(time)
    u = rng.random((11, count))
    word = rng.integers(0, 2**64, count, dtype=np.uint64)
    business = u[0] >= cycles.consumers(time, cycle)
    region = np.minimum((u[1] > cycles.regions(time, cycle)).sum(axis=0), len(world.REGIONS) - 1)
    return Arrivals(
        service=service,
        time=time,
        business=business,
        region=region,
        tier=np.where(business, 1 + (u[2] < 0.4), u[2] < 0.25).astype(np.int64),
        tenant=(world.TENANTS * u[3] ** 2).astype(np.int64),  # a few tenants and users bring most of the traffic
        user=(world.USERS * u[4] ** 1.5).astype(np.int64),
        intent=_intents(u[5], business),
        turns=np.minimum(1 + (np.log1p(-u[6]) / np.log(TURNS_MORE)).astype(np.int64), TURNS_MOST),
        tools=1 + (len(TOOLS) * u[6]).astype(np.int64),
        ends=u[7],
        rollout=u[8],
        model=u[9],
        chance=u[10],
        chance_loop=rng.random(count),
        word=word,
        loops=np.zeros(count),
        rounds=rng.integers(*_ROUNDS, size=count, endpoint=True),
    )


def _intents(u: Floats, business: Bools) -> Texts:
    consumer_shares = np.cumsum([intent.consumer for intent in _CHATS])
    business_shares = np.cumsum([intent.business for intent in _CHATS])
    chosen = np.where(
        business,
        np.searchsorted(business_shares, u * business_shares[-1], side="right"),
        np.searchsorted(consumer_shares, u * consumer_shares[-1], side="right"),
    )
    intents: Texts = _objects(_CHATS)[np.minimum(chosen, len(_CHATS) - 1)]
    return intents


def steps_of(arrivals: Arrivals) -> list[tuple[Step, ...]]:
    """Return each arrival's steps."""
    search = arrivals.service == "search"
    names = ["search" if search else intent.journey for intent in arrivals.intent]
    ends = arrivals.ends < np.where([name == "refund" for name in names], CONSULTED, SUMMARIZED)
    rounds = np.where(arrivals.chance_loop < arrivals.loops, arrivals.rounds, 0)
    columns = (names, arrivals.turns.tolist(), arrivals.tools.tolist(), ends.tolist(), rounds.tolist())
    return [journey(*one) for one in zip(*columns, strict=True)]


def draw_calls(rng: Generator, arrivals: Arrivals, plans: Sequence[tuple[Step, ...]]) -> _Drawn:
    """Draw the calls of all steps, as they are before any incident."""
    steps = list(chain.from_iterable(plans))
    owner = np.repeat(np.arange(len(plans)), [len(plan) for plan in plans])
    extra = np.array([step.extra for step in steps], dtype=np.bool_)
    numbers = _numbers(rng, extra)
    code = np.array([_CODE[step.operation] for step in steps], dtype=np.int64)
    time = _schedule(arrivals.time, owner, steps, numbers.uniform[9])
    return steps, _calls(arrivals, owner, code, time, steps), numbers


def _numbers(rng: Generator, extra: Bools) -> Numbers:
    """Draw for the quiet rows first, so that rows which an incident adds leave them their numbers."""
    count = len(extra)
    drawn = Numbers(np.empty((10, count)), np.empty((5, count)), np.empty((2, count), dtype=np.uint64))
    for rows in (~extra, extra):
        some = int(rows.sum())
        drawn.uniform[:, rows] = rng.random((10, some))
        drawn.normal[:, rows] = rng.standard_normal((5, some))
        drawn.word[:, rows] = rng.integers(0, 2**64, (2, some), dtype=np.uint64)
    return drawn


def _schedule(arrived: Floats, owner: Ints, steps: Sequence[Step], u: Floats) -> Floats:
    """Return when each step may start: after the usual length of the steps before it, and the user's pause."""
    pause = np.array([step.pause_s for step in steps]) * -np.log1p(-u)
    ends = np.cumsum(pause + np.array([step.lasts_s for step in steps]))
    first = np.searchsorted(owner, np.arange(len(arrived)))
    before = np.concatenate([[0.0], ends])[first]
    starts = ends - np.array([step.lasts_s for step in steps])
    schedule: Floats = arrived[owner] + (starts - before[owner])
    return schedule


def _calls(arrivals: Arrivals, owner: Ints, code: Ints, time: Floats, steps: Sequence[Step]) -> Calls:
    count = len(time)
    asked = np.where(arrivals.model[owner] < _ALTERNATIVE_SHARE[code], _ALTERNATIVE[code], _MODEL[code])
    intents = arrivals.intent[owner]
    plain = np.array([step.calls is None and not step.handoff for step in steps], dtype=np.bool_)
    return Calls(
        service=arrivals.service,
        time=time,
        owner=owner,
        operation=_NAME[code],
        agent=_objects([step.agent for step in steps]),
        region=_REGION_NAMES[arrivals.region[owner]],
        asked=_MODEL_NAMES[asked],
        rollout=arrivals.rollout[owner],
        refusal=_REFUSAL[code] * np.array([intent.refusal for intent in intents], dtype=np.float64) * plain,
        violation=_VIOLATION[code],
        empty=_EMPTY[code] * plain,
        truncation=_TRUNCATION[code] * plain,
        hedge=_HEDGE[code] * plain,
        error=np.full(count, _ERROR_RATE),
        stall=np.zeros(count),
        verbosity=np.ones(count),
        wordiness=np.array([intent.wordiness for intent in intents], dtype=np.float64),
        cached=np.ones(count),
        renamed=np.zeros(count, dtype=np.bool_),
        chatty=np.zeros(count, dtype=np.bool_),
        response_model=_SERVED[asked],
        prompt_version=_PROMPT[code],
        fingerprint=_FINGERPRINT[asked],
        tools_version=_TOOLS[code],
        variant=np.full(count, None, dtype=np.object_),
    )


def turn_out(calls: Calls, steps: Sequence[Step], numbers: Numbers, business: Bools) -> list[Row]:
    """Hold the random numbers against the probabilities: one row a call."""
    u, normal = numbers.uniform, numbers.normal
    code = np.array([_CODE[name] for name in calls.operation], dtype=np.int64)
    asked = _objects([MODELS[name] for name in calls.asked])
    terse = np.where(business[calls.owner], 0.9, 1.1)
    hit = (u[7] < _CACHE_HIT * calls.cached) & (_SYSTEM[code] >= _CACHED_FROM)
    slow = np.where(u[6] < world.TAIL, 3 + 4 * u[8], 1.0)
    columns: tuple[NDArray[Any], ...] = (
        calls.time,
        _objects(steps),
        _OPERATION[code],
        asked,
        calls.owner,
        _outcomes(calls, u),
        calls.response_model,
        calls.prompt_version,
        calls.fingerprint,
        calls.tools_version,
        calls.variant,
        _CHARS[code] * calls.verbosity * np.exp(world.SPREAD_OUTPUT * normal[0]),
        _INPUT_CHARS[code] * terse * calls.wordiness * np.exp(world.SPREAD_INPUT * normal[1]),
        np.exp(0.06 * normal[2]),
        np.array([model.first_token_s for model in asked]) * np.exp(world.SPREAD_LATENCY * normal[3]),
        np.exp(0.2 * normal[4]) / np.array([model.tokens_per_s for model in asked]),
        np.where(u[6] > 1 - calls.stall, 20 + 20 * u[8], slow),
        np.where(hit, (0.95 * _SYSTEM[code]).astype(np.int64), 0),
        (numbers.word[0] % np.uint64(1000)).astype(np.int64) < 1000 * world.COST_SHARE,
        calls.chatty,
        numbers.word[0] >> np.uint64(10),
        numbers.word[1],
        u[8],
    )
    return list(map(Row._make, zip(*(column.tolist() for column in columns), strict=True)))


def _outcomes(calls: Calls, u: Floats) -> Ints:
    """Return how each call turns out; of two that apply, the earlier listed one."""
    happened = [
        (u[0] < calls.error, Outcome.FAILED),
        (u[1] < calls.empty, Outcome.EMPTY),
        (u[2] < calls.refusal, Outcome.REFUSED),
        (u[3] < calls.violation, Outcome.INVALID),
        (u[4] < calls.truncation, Outcome.TRUNCATED),
        (calls.renamed, Outcome.RENAMED),
        (u[5] < calls.hedge, Outcome.HEDGED),
    ]
    chosen = np.select([which for which, _ in happened], [int(what) for _, what in happened], int(Outcome.ANSWERED))
    return chosen.astype(np.int64)


def _objects(values: Sequence[object]) -> Texts:
    """Return the values as an array of objects, whatever they look like to numpy."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


_Drawn = tuple[list[Step], Calls, Numbers]
_OPS: tuple[Operation, ...] = tuple(OPERATIONS.values())
_ASKED: tuple[Model, ...] = tuple(MODELS.values())
_CODE = {operation.name: code for code, operation in enumerate(_OPS)}
_MODEL_CODE = {model.name: code for code, model in enumerate(_ASKED)}
_OPERATION = _objects(_OPS)
_NAME = _objects([operation.name for operation in _OPS])
_PROMPT = _objects([operation.prompt_version for operation in _OPS])
_TOOLS = _objects([operation.tools_version for operation in _OPS])
_MODEL = np.array([_MODEL_CODE[operation.model] for operation in _OPS])
_ALTERNATIVE = np.array([_MODEL_CODE[operation.alternative or operation.model] for operation in _OPS])
_ALTERNATIVE_SHARE = np.array([operation.alternative_share for operation in _OPS])
_MODEL_NAMES = _objects([model.name for model in _ASKED])
_SERVED = _objects([model.served for model in _ASKED])
_FINGERPRINT = _objects([model.fingerprint for model in _ASKED])
_REGION_NAMES = _objects([region.name for region in world.REGIONS])
_REFUSAL = np.array([operation.refusal for operation in _OPS])
_VIOLATION = np.array([operation.violation for operation in _OPS])
_EMPTY = np.array([operation.empty for operation in _OPS])
_TRUNCATION = np.array([operation.truncation for operation in _OPS])
_HEDGE = np.array([operation.hedge for operation in _OPS])
_SYSTEM = np.array([operation.system_tokens for operation in _OPS])
_CHARS = np.array([operation.output_chars for operation in _OPS])
_INPUT_CHARS = np.array([operation.input_chars for operation in _OPS])
_ERROR_RATE = sum(share for _, _, share in world.ERRORS)
