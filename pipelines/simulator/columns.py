"""Blocks of arrivals and of the calls that follow from them, a column a quantity, drawn at once.

Every arrival and every call takes the same number of random numbers whatever happens to it, and an incident only
moves the probabilities and multipliers that these numbers are held against. So traffic with an incident and traffic
without are the same but for what the incident changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrivals", "Bools", "Calls", "Floats", "Ints", "Texts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.object_]


@dataclass
class Arrivals:
    """Users who arrive: `time` (sorted, seconds since the epoch) and what is drawn for each of them.

    Incidents may move `intent`, `loops` (chance that agents start to ask each other in circles) and `rounds`.
    """

    service: str
    time: Floats
    business: Bools
    region: Ints
    tier: Ints
    tenant: Ints
    user: Ints
    intent: Texts  # of Intent
    turns: Ints
    tools: Ints
    ends: Floats  # uniform: whether a chat is summarised, a refund consulted about
    rollout: Floats  # uniform: a change that is out at share s has reached those below s
    model: Floats  # uniform: which of the operation's models
    chance: Floats  # uniform, for incidents
    chance_loop: Floats  # uniform
    word: NDArray[np.uint64]
    loops: Floats
    rounds: Ints

    def __len__(self) -> int:
        return len(self.time)


@dataclass
class Calls:
    """Steps to be rendered; `owner` is the index of the arrival, `time` the earliest moment it may start.

    Incidents may move the columns below `rollout`: probabilities of an outcome, multipliers, and what is deployed.
    """

    service: str
    time: Floats
    owner: Ints
    operation: Texts  # names
    agent: Texts
    region: Texts
    asked: Texts  # names of the models asked for
    rollout: Floats
    refusal: Floats
    violation: Floats
    empty: Floats
    truncation: Floats
    hedge: Floats
    error: Floats
    stall: Floats
    verbosity: Floats  # multiplies the length of outputs
    wordiness: Floats  # multiplies the length of inputs
    cached: Floats  # multiplies the share of the system prompt that the provider's cache holds
    renamed: Bools  # the answer's first key has another name
    chatty: Bools  # the answer is padded with courtesies
    response_model: Texts
    prompt_version: Texts
    fingerprint: Texts
    tools_version: Texts
    variant: Texts

    def __len__(self) -> int:
        return len(self.time)
