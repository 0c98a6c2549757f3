"""Records of `undertow.control`: what roles must agree on, each under a key of its own; the last one of a key holds."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from undertow.drift.claims import Claim

__all__ = ["Claimed", "claimed", "record_of_claim"]

_WEIGHT = "weight"
_SLOTS = 32  # claims of a partition that are kept: more than anybody, or the state he goes on from, lags behind


class Claimed(NamedTuple):
    """What a series partition claims of the budget from an epoch on (`undertow.drift.claims`)."""

    partition: int
    epoch: int
    claim: Claim


def record_of_claim(said: Claimed, serial: int) -> tuple[bytes, bytes]:
    """Return key and value of a claim, the partition's so many-th.

    Examples
    --------
    >>> record_of_claim(Claimed(3, 12, Claim(7, 1)), serial=33)[0]
    b'weight/3/1'
    """
    key = f"{_WEIGHT}/{said.partition}/{serial % _SLOTS}".encode()
    return key, msgspec.msgpack.encode(said)


def claimed(key: bytes | None, value: bytes | None) -> Claimed | None:
    """Return the claim of a record, None when it is about something else.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    if not key or not value or not key.startswith(f"{_WEIGHT}/".encode()):
        return None
    try:
        return msgspec.msgpack.decode(value, type=Claimed)
    except msgspec.DecodeError as error:
        raise ValueError(f"the record {key.decode()} of undertow.control is no claim: {error}") from error
