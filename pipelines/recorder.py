"""What the store is given: rows gathered between two commits, written as one block a table under a token of its own.

A block's token is its place in the log. Writing the same block again, after a crash, is recognised by the store and
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from undertow.alerts.incident import Incident
from undertow.drift.catalogue import Catalogue
from undertow.drift.categories import Categories
from undertow.drift.interaction import Scalar
from undertow.drift.metrics import Family
from undertow.drift.segments import Group
from undertow.drift.statistics.proportions import Floats
from undertow.drift.versions import SeenVersion
from undertow.pipelines.card_rows import card_columns
from undertow.pipelines.dead_letters import DeadLetter
from undertow.pipelines.redaction import LabelPolicy, Redactor
from undertow.pipelines.rows import (
    Columns,
    as_texts,
    dead_letter_columns,
    incident_columns,
    interaction_columns,
    verdict_columns,
    version_columns,
)
from undertow.pipelines.spend_report import spend_columns
from undertow.pipelines.step import Step
from undertow.pipelines.window_rows import mix_columns, window_columns

__all__ = ["Recorder"]

_UNSAID = -2.0  # where an event says no category: not the number of any
_LATEST_VERSIONS = 1000  # version rows written with a commit, those seen last


class Tables(Protocol):
    """Where blocks of rows go."""

    def insert(self, table: str, columns: Columns, token: str) -> int:
        """Insert one block unless its token is known."""
        ...


class Recorder:
    """Gathers what steps bring until `write` hands it to the store."""

    def __init__(
        self,
        tables: Tables,
        redactor: Redactor,
        labels: LabelPolicy,
        user_hash: Callable[[str], str],
        catalogue: Catalogue,
        categories: Categories,
    ) -> None:
        self._catalogue, self._categories = catalogue, categories
        self._tables, self._redactor, self._labels, self._user_hash = tables, redactor, labels, user_hash
        self._steps: list[Step] = []
        self._letters: list[DeadLetter] = []
        self._incidents: list[Incident] = []
        self.rows = 0

    def add(self, step: Step, letters: Sequence[DeadLetter] = ()) -> None:
        """Keep what a step brought for the next block."""
        self._steps.append(step)
        self._letters += letters

    def note(self, incidents: Iterable[Incident]) -> None:
        """Keep incidents that no step brought for the next block."""
        self._incidents += incidents

    @property
    def noted(self) -> bool:
        """Whether incidents wait that no step brought."""
        return bool(self._incidents)

    def write(self, token: str, groups: Sequence[Group], versions: Sequence[SeenVersion]) -> None:
        """Write everything gathered as one block a table, and forget it."""
        windows = [window for step in self._steps for window in step.windows]
        self._insert(
            token,
            self._counted(versions)
            | {
                "windows": window_columns(windows, groups, self._catalogue),
                "mixes": mix_columns(windows, groups, self._catalogue, self._categories),
                "verdicts": verdict_columns([verdict for step in self._steps for verdict in step.verdicts]),
                "incidents": incident_columns(
                    [*(change.incident for step in self._steps for change in step.changes), *self._incidents]
                ),
            },
        )

    def write_counted(self, token: str, versions: Sequence[SeenVersion]) -> None:
        """Write what is known before windows are joined and judged, as one block a table, and forget everything."""
        self._insert(token, self._counted(versions))

    def _counted(self, versions: Sequence[SeenVersion]) -> dict[str, Columns]:
        return {
            "interactions": self._interactions(),
            "dead_letters": dead_letter_columns(self._letters),
            "versions": self._versions(versions),
            "cards": card_columns([card for step in self._steps for card in step.cards]),
            "spend": spend_columns([row for step in self._steps for row in step.spent]),
        }

    def _insert(self, token: str, blocks: Mapping[str, Columns]) -> None:
        for table, columns in blocks.items():
            self.rows += self._tables.insert(table, columns, f"{table}:{token}")
        self._steps.clear()
        self._letters.clear()
        self._incidents.clear()

    def _interactions(self) -> Columns:
        events = [event for step in self._steps for event in step.events]
        if not events:
            return {}
        values = np.concatenate([step.measured.values for step in self._steps])
        measures = {name: values[:, column] for name, column in self._catalogue.columns.items()}
        measures["cost"] = np.concatenate([step.measured.costs for step in self._steps])
        measures["late"] = np.concatenate([step.late for step in self._steps]).astype(np.float64)
        return interaction_columns(
            events, measures, self._redactor.text, self._user_hash, self._kept, self._classified(values)
        )

    def _classified(self, values: Floats) -> list[dict[str, str]]:
        """Return what category each event was found to be in, by metric; events in the same ones share a table."""
        numbers, metrics = self._catalogue.numbers, self._catalogue.columns
        kinds = [name for name in metrics if self._catalogue.metric(numbers[name]).family is Family.CATEGORY]
        said = np.nan_to_num(values[:, [metrics[name] for name in kinds]], nan=_UNSAID)
        found, which = np.unique(said, axis=0, return_inverse=True)
        tables = [self._named(kinds, row) for row in found.tolist()]
        return [tables[place] for place in which.tolist()]

    def _named(self, metrics: Sequence[str], row: Sequence[float]) -> dict[str, str]:
        said = zip(metrics, row, strict=True)
        return {metric: self._categories.name(int(number)) for metric, number in said if number != _UNSAID}

    def _versions(self, versions: Sequence[SeenVersion]) -> Columns:
        columns = version_columns(sorted(versions, key=lambda v: -v.last_seen)[:_LATEST_VERSIONS])
        return columns | {"value": [self._labels.masked(value) for value in columns["value"]]}

    def _kept(self, values: Mapping[str, Scalar]) -> dict[str, str]:
        return self._labels.kept(as_texts(values))
