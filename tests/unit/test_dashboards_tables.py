"""Tables are aligned text; no value can break a row or act on the terminal."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from undertow.dashboards.model import Estimate, IncidentView, SeriesState, SeriesView
from undertow.dashboards.tables import incidents_table, series_status_table, table


@given(st.lists(st.tuples(st.text(), st.none() | st.integers() | st.floats()), max_size=8))
def test_every_row_is_one_line(rows: list[tuple[str, object]]) -> None:
    lines = table(["name", "value"], rows).split("\n")
    assert len(lines) == 2 + len(rows)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "true"),
        (0.1 + 0.2, "0.3"),
        (float("nan"), "nan"),
        (b"bytes", "bytes"),
        ("[red]not markup[/red] :smile:", "[red]not markup[/red] :smile:"),
        ("two\nlines\tand \x1b[31mred", "two⏎lines␉and ␛[31mred"),
        (datetime(2024, 5, 14, 3, 7, tzinfo=UTC), "2024-05-14 03:07:00+00:00"),
        (datetime(2024, 5, 14, 3, 7, 0, 250_000), "2024-05-14 03:07:00.250"),  # noqa: DTZ001 - as ClickHouse gives it
        (date(2024, 5, 14), "2024-05-14"),
        ([1, 2], "[1, 2]"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_a_value_is_shown_as_it_is(value: object, text: str) -> None:
    assert table(["value"], [(value,)]).splitlines()[-1].strip() == text


def test_numbers_are_aligned_to_the_right() -> None:
    lines = table(["calls"], [(7,), (None,), (12_345,)]).splitlines()
    assert len({cell_len(line) for line in lines if "─" not in line}) == 1


def test_a_result_without_rows_still_has_its_columns() -> None:
    assert "service" in table(["service"], [])


def _series(state: SeriesState, **rest: object) -> SeriesView:
    base = Estimate(0.02, 0.01, 0.03, 900)
    view = {"title": "t", "metric": "refusal_rate", "unit": "share of events", "where": "support", "baseline": base}
    return SeriesView(**(view | {"state": state} | rest))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (_series(SeriesState.LEARNING, learned=84, needed=2000), ["learning 84 of 2,000", "no"]),
        (_series(SeriesState.STRICT, learned=840, needed=2000), ["learning 840 of 2,000", "large changes"]),
        (_series(SeriesState.WATCHING, current=0.021), ["watching", "2.0 %", "2.1 %", "yes"]),
        (_series(SeriesState.CHANGED, changed_at=60.0), ["changed since 1970-01-01 00:01:00", "yes"]),
    ],
)
def test_status_says_which_series_can_page(series: SeriesView, said: list[str]) -> None:
    line = series_status_table([series]).splitlines()[-1]
    assert all(text in line for text in said)


def test_an_incident_is_one_line() -> None:
    view = IncidentView(
        id="7f3a91",
        headline="31 % break their schema",
        severity="critical",
        service="support",
        opened_at=60,
        changed_at=30,
        changed_from=20,
        changed_to=40,
        resolved_at=630,
        resolution="recovered",
    )
    line = incidents_table([view]).splitlines()[-1]
    for text in (
        "7f3a91",
        "1970-01-01 00:00:30",
        "critical",
        "31 % break their schema",
        "no",
        "recovered after 10 min",
    ):
        assert text in line
