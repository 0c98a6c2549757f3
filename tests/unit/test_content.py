"""What a log holds beyond the known fields is kept as the content policy allows, like its texts."""

from typing import Any, Literal

import pytest

from undertow.drift.interaction import Interaction, Kind
from undertow.drift.prices import PriceTable
from undertow.pipelines.processor import Processor
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.redaction import LabelPolicy, Redactor
from undertow.pipelines.settings import Ingest, Settings

DATUM = "ana@example.com"
CALL = Interaction(
    id="1",
    time=1.0,
    service="s",
    input=f"I am {DATUM}",
    output=f"Hello {DATUM}",
    error=f"no answer for {DATUM}",
    label=DATUM,
    stop_sequence=DATUM,
    config={"note": DATUM, "temperature": 0.2},
    attributes={"prompt": f"write to {DATUM}", "region": "eu", "beta": True},
)


class _Tables:
    """Keeps the blocks that would go to the store."""

    def __init__(self) -> None:
        self.blocks: dict[str, dict[str, Any]] = {}

    def insert(self, table: str, columns: dict[str, Any], token: str) -> int:
        self.blocks[table] = columns
        return 0


def _stored(policy: Literal["none", "redacted", "full"], event: Interaction) -> dict[str, dict[str, Any]]:
    settings = Settings(ingest=Ingest(content=policy))
    processor, tables = Processor(settings, PriceTable()), _Tables()
    labels = LabelPolicy(policy, [], settings.detection.dimensions)
    recorder = Recorder(
        tables, Redactor(policy), labels, str, processor.counting.catalogue, processor.counting.categories
    )
    recorder.add(processor.step([event], [0]))
    recorder.write("1", processor.counting.segments.groups, processor.counting.versions.all())
    return tables.blocks


@pytest.mark.parametrize("policy", ["none", "redacted"])
def test_no_personal_datum_reaches_the_store(policy: Literal["none", "redacted"]) -> None:
    blocks = _stored(policy, CALL)
    assert DATUM not in repr(blocks)
    assert blocks["interactions"]["attributes"][0]["region"] == "eu"


def test_without_content_only_dimensions_are_kept() -> None:
    columns = _stored("none", CALL)["interactions"]
    assert (columns["attributes"], columns["config"]) == ([{"region": "eu"}], [{}])
    assert [list(columns[name]) for name in ("input", "output", "label")] == [[""], [""], [""]]


def test_masked_values_keep_their_names() -> None:
    columns = _stored("redacted", CALL)["interactions"]
    assert columns["attributes"] == [{"prompt": "write to [email]", "region": "eu", "beta": "true"}]
    assert columns["config"] == [{"note": "[email]", "temperature": "0.2"}]
    assert columns["label"] == ["[email]"]


def test_full_is_full() -> None:
    assert _stored("full", CALL)["interactions"]["attributes"][0]["prompt"] == f"write to {DATUM}"


def test_the_description_of_a_change_is_masked_before_anything_sees_it() -> None:
    change = Interaction(id="2", time=1.0, service="s", kind=Kind.CHANGE, output=f"prompt v2, ask {DATUM}")
    blocks = _stored("redacted", change)
    assert "prompt v2, ask [email]" in blocks["versions"]["declared"]
    assert DATUM not in repr(blocks)
