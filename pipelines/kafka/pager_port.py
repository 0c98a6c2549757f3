"""The port of a pager, where answers come back: the active one and those that stand by take them alike.

What is decided is written into the log, so it does not matter who is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from undertow.alerts.addresses import Addresses
from undertow.alerts.incident import Incident
from undertow.pipelines.answering import outside
from undertow.pipelines.server import Port, Services, control_token
from undertow.pipelines.settings import Settings

__all__ = ["STALE_WINDOW_S", "pager_port"]

STALE_WINDOW_S = 300.0  # age of the last window that was complete beyond which /readyz says 503


def pager_port(
    settings: Settings,
    control: Callable[[str, dict[str, Any]], Mapping[str, Any]],
    incidents: Callable[[], Sequence[Incident]],
    status: Callable[[], Mapping[str, Any]],
    window_age: Callable[[], float | None],
    registry: CollectorRegistry,
    signed: Addresses | None,
) -> AbstractContextManager[object]:
    """Return the port at `[store] listen`; nothing where no answers from outside are configured.

    Raises
    ------
    undertow.pipelines.server.PortError
        It cannot be opened.
    """
    answers = outside(settings, control, incidents, signed)
    if not (answers.addresses or answers.pagerduty or answers.deploy):
        return nullcontext()
    named = urlsplit(settings.hooks.url).hostname if settings.hooks.url else None
    services = Services(
        engine=None,
        registry=registry,
        window_age=window_age,
        window_age_limit_s=STALE_WINDOW_S,
        status=status,
        control=control,
        token=control_token(settings.folder),
        hosts=frozenset({*settings.store.hosts, *([named] if named else [])}),
        routes=answers.routes(),
    )
    return Port(settings.store.listen, services)
