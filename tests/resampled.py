"""Streams resampled with a fixed seed from real answers; independent by construction, whatever they are cut into."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from undertow.drift.interaction import Interaction
from undertow.pipelines.replay import Replay, replay
from undertow.pipelines.settings import Settings

START = 1_772_442_000.0  # Monday, 09:00 UTC
MARCH, JUNE = "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"


def answers(folder: Path, task: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one task by the model that answered."""
    path = next(folder.glob(f"{task}.jsonl*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = [json.loads(line) for line in file]
    return {model: [row for row in rows if row["model"] == model] for model in (MARCH, JUNE)}


def stream(rows: dict[str, list[dict[str, Any]]], plan: Iterable[tuple[str, int]], seed: int) -> Iterator[Interaction]:
    """Play so many answers of each model, one a second; nothing in the events says which model it was."""
    chance = random.Random(seed)
    number = 0
    for model, count in plan:
        for row in chance.choices(rows[model], k=count):
            number += 1
            yield Interaction(
                id=str(number),
                time=START + number,
                service="assistant",
                model="gpt-3.5-turbo",
                input=row["query"],
                output=row["answer"],
                output_tokens=int(row["answer_token"]),
                latency=max(row["latency"], 0.0) if row["latency"] is not None else None,
                cost=row["cost"],
                http_status=200,
            )


def replayed(events: Iterable[Interaction], path: Path, settings: Settings | None = None) -> Replay:
    """Write the events as JSON lines and replay the file."""
    encoder = msgspec.json.Encoder()
    path.write_bytes(b"".join(encoder.encode(event) + b"\n" for event in events))
    return replay(settings or Settings(), [str(path)])
