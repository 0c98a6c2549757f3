"""A port over an engine alone, without a watch behind it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from undertow.pipelines.engine import Engine
from undertow.pipelines.server import Port, Services
from undertow.pipelines.settings import Secret

__all__ = ["port_of"]


def port_of(engine: Engine | None) -> Port:
    """Return a port on loopback, not started yet."""
    services = Services(
        engine=engine,
        registry=CollectorRegistry(),
        window_age=lambda: None,
        window_age_limit_s=60.0,
        status=dict,
        control=lambda _action, _body: {},
        token=Secret("t"),
    )
    return Port("127.0.0.1:0", services)
