"""Whom commands that decide speak to: the watch on this machine, or an installation on Kafka if brokers are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.pipelines import client
from undertow.pipelines.settings import Settings

__all__ = ["control", "silences"]


def control(settings: Settings, action: str, arguments: Mapping[str, Any]) -> str:
    """Let somebody decide; return what to answer.

    Raises
    ------
    RuntimeError, ValueError
        Nobody can be asked, or it cannot be done; the message says which.
    """
    if not settings.kafka.servers:
        return client.control(settings, action, arguments)
    from undertow.pipelines.kafka import deciding  # only here is a broker's client needed

    return deciding.decide(settings, action, arguments)


def silences(settings: Settings) -> str:
    """Return which silences hold now; what `control` says holds."""
    if not settings.kafka.servers:
        return client.silences(settings)
    from undertow.pipelines.kafka import deciding

    return deciding.silences(settings)
