"""Rows of known content in a store: what tests of queries know the answer of."""

from __future__ import annotations

from typing import Any

import numpy as np

from undertow.alerts.incident import Incident, Severity, State
from undertow.drift.interaction import Interaction
from undertow.drift.verdict import Estimate, Series, Verdict
from undertow.pipelines import rows
from undertow.pipelines.clickhouse import Store

__all__ = ["START", "insert_calls", "insert_incident", "insert_verdict"]

START = 1_700_000_000.0


def insert_calls(store: Store, *calls: dict[str, Any], block: str = "", **measures: list[float]) -> int:
    events = [
        Interaction(**{"id": str(n), "time": START + n, "service": "support", **fields})
        for n, fields in enumerate(calls)
    ]
    arrays = {name: np.array(values) for name, values in measures.items()}
    columns = rows.interaction_columns(events, arrays, lambda text: text, lambda user: user[::-1])
    return store.insert("interactions", columns, block or str(columns))


def insert_verdict(store: Store, name: str, changed_at: float, kind: str = "page") -> None:
    verdict = Verdict(
        id=name,
        kind=kind,
        series=Series("support", "prod", (("region", "eu"),), "refusal_rate"),
        direction="up",
        detected_at=changed_at + 60,
        changed_at=changed_at,
        changed_from=changed_at - 5,
        changed_to=changed_at + 5,
        before=Estimate(0.02, 0.01, 0.03, 5000),
        after=Estimate(0.1, 0.08, 0.13, 300),
        events=300,
        statistic=12.0,
        threshold=9.0,
        detector="mixture",
        reason="refusals rose",
    )
    store.insert("verdicts", rows.verdict_columns([verdict]), f"{name} {changed_at}")


def insert_incident(store: Store, name: str, verdict_id: str) -> None:
    incident = Incident(
        id=name,
        service="support",
        environment="prod",
        state=State.OPEN,
        severity=Severity.ERROR,
        opened_at=START + 60,
        changed_at=START,
        changed_from=START - 5,
        changed_to=START + 5,
        headline="refusals rose",
        verdicts=[],
    )
    for revision, state in enumerate([State.OPEN, State.PAGED]):
        incident.state, incident.revision = state, revision
        columns = rows.incident_columns([incident])
        store.insert("incidents", {**columns, "verdict_ids": [[verdict_id]]}, f"{name} {revision}")
