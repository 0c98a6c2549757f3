"""The page on signals is what the benchmark measured, and speaks of every metric."""

from pathlib import Path

import pytest
from bench import blocks, signals

from undertow.drift.metrics import METRICS
from undertow.drift.signals import CATEGORIES, SIGNALS, VECTORS

PAGE = blocks.DOCUMENT.read_text()
TWO = "a <!-- measured: x --> old <!-- end --> b <!-- measured: y --> kept <!-- end --> c"


def test_a_block_is_replaced_and_nothing_else() -> None:
    found = blocks.replaced(TWO, "x", "new\n")
    assert found == "a <!-- measured: x -->\n\nnew\n\n<!-- end --> b <!-- measured: y --> kept <!-- end --> c"


@pytest.mark.parametrize(
    "page", ["", "<!-- measured: x --> old", "<!-- measured: x --> <!-- measured: y --> <!-- end -->"]
)
def test_a_page_without_the_block_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="no block"):
        blocks.replaced(page, "x", "new")


def test_what_cannot_be_measured_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, said = tmp_path / "page.md", list[str]()
    page.write_text(TWO)
    monkeypatch.setenv("UNDERTOW_TEST_DATA", str(tmp_path / "nowhere"))
    blocks.rewrite(["agents"], 1, said.append, page)
    assert page.read_text() == TWO
    assert "nowhere" in said[0]


def test_measuring_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- measured: costs --><!-- end -->")
    monkeypatch.setattr(signals, "table", lambda events: f"{events} events")
    blocks.rewrite(["costs"], 7, lambda _: None, page)
    assert "7 events" in page.read_text()


@pytest.mark.parametrize("name", blocks.BLOCKS)
def test_the_page_holds_every_block_and_each_was_measured(name: str) -> None:
    block = PAGE.partition(f"<!-- measured: {name} -->")[2].partition(blocks.END)[0]
    assert "|---" in block


@pytest.mark.parametrize("name", [name for name in METRICS if "." not in name])
def test_the_page_names_every_metric(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", [*SIGNALS, *CATEGORIES, *VECTORS])
def test_every_signal_says_when_it_is_silent_and_what_it_cannot_see(name: str) -> None:
    kinds: dict[str, object] = {**SIGNALS, **CATEGORIES, **VECTORS}
    assert signals.hidden(kinds[name])
    assert (signals.silent(name) == "never") == (name == "error_rate")


def test_the_table_has_a_row_for_every_step_of_a_small_run() -> None:
    table = signals.table(400)
    for name in (*SIGNALS, *CATEGORIES, *VECTORS):
        assert table.count(f"| `{name}` |") == 1
    for sum_ in ("scalar signals", "categories", "embeddings", "trackers"):
        assert f"**{sum_} together**" in table
