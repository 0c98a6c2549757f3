"""The page in words."""

from __future__ import annotations

from alert_samples import T0, incident, series, verdict

from undertow.alerts.incident import Level, State
from undertow.alerts.text import headline, http_line, moved, page_text
from undertow.drift.verdict import Verdict


def about(*verdicts: Verdict, http: list[Level] | None = None, recovered: list[str] | None = None) -> str:
    return headline(incident(verdicts=list(verdicts), http=http or [], recovered=recovered or []))


GREEN = [Level("error_rate", 0.002, 0.002), Level("latency_p50", 0.9, 0.9)]


class TestHeadline:
    def test_it_says_where_what_how_far_and_since_when(self) -> None:
        said = about(verdict(series(operation="summarize")), http=GREEN)
        assert said == (
            "support/prod: answers that refuse 2.1 % → 11.4 % since 14:11 UTC (operation=summarize); HTTP green"
        )

    def test_it_names_what_else_moved(self) -> None:
        length = verdict(series("output_length"), before=812, after=560)
        cost = verdict(series("cost_per_task"), "notice", before=0.01, after=0.0122)
        assert "; also length of answers −31 %, cost of a task +22 %" in about(verdict(statistic=99.0), length, cost)

    def test_a_tail_and_a_recovered_series_are_not_named_beside_their_metric(self) -> None:
        slow = verdict(series("latency"), before=1, after=2, statistic=99.0)
        tail = verdict(series("latency.high"), before=0.01, after=0.05)
        back = verdict(series("output_length"), before=812, after=560)
        assert "also" not in about(slow, tail, back, recovered=[back.id])
        louder = verdict(series("latency.high"), before=0.01, after=0.05, statistic=199.0)
        assert "also" not in about(slow, louder)

    def test_a_long_list_is_counted(self) -> None:
        metrics = ("output_length", "input_length", "output_tokens", "input_tokens", "latency")
        others = [verdict(series(metric), before=100, after=150) for metric in metrics]
        assert about(verdict(statistic=99.0), *others).endswith(", 2 more")

    def test_a_change_of_another_day_has_its_date(self) -> None:
        assert "since 2026-09-20 " in about(verdict(changed=T0 - 86_400))

    def test_http_metrics_that_moved_are_named(self) -> None:
        bad = [Level("error_rate", 0.002, 0.04), Level("latency_p50", 0.9, 0.9)]
        assert about(verdict(), http=bad).endswith("; HTTP error rate 0.2 % → 4 %")

    def test_nothing_is_said_about_http_when_nothing_is_known(self) -> None:
        assert "HTTP" not in about(verdict(), http=[Level("error_rate", None, None)])


class TestPage:
    def test_it_holds_what_on_call_needs(self) -> None:
        slice_, note = (
            verdict(series(operation="summarize")),
            verdict(series("latency"), "notice", before=0.9, after=1.0),
        )
        text = page_text(incident(verdicts=[slice_, note]))
        assert text.splitlines()[:-1] == [
            "ERROR     support/prod: answers that refuse 2.1 % → 11.4 % since 14:11 UTC; HTTP green",
            "state     paged, found 2026-09-21 14:13:20 UTC",
            "since     2026-09-21 14:11:20 UTC (between 2026-09-21 14:11:00 UTC and 2026-09-21 14:11:40 UTC), "
            "seen after 312 events",
            "where     support/prod, operation=summarize",
            "moved     answers that refuse [operation=summarize]: 2.1 % [1.9 %, 2.3 %] → 11.4 % [9.1 %, 13.7 %]",
            "          latency of calls [all traffic]: 0.9 s [0.81 s, 0.99 s] → 1 s [0.8 s, 1.2 s] (notice)",
            "HTTP      error rate 0.2 % → 0.2 %, latency p50 0.9 s → 0.9 s: green",
            "suspects  prompt_version=v48 was first seen 5 s before the estimated change",
            "incident  0000000000000000  (undertow explain 0000000000000000)",
        ]
        assert text.splitlines()[-1].startswith("query     SELECT toStartOfMinute(window_start)")

    def test_recovery_is_shown_by_series_and_in_the_end(self) -> None:
        one, two = verdict(), verdict(series(region="eu"), after=0.05)
        partly = page_text(incident(verdicts=[one, two], recovered=[one.id]))
        assert "; 1 of 2 series back, region=eu is not" in partly
        assert "11.4 % [9.1 %, 13.7 %] (recovered)" in partly
        over = page_text(incident(state=State.RESOLVED, resolved_at=T0 + 7080, resolution="recovered"))
        assert "resolved (recovered) at 2026-09-21 16:11:20 UTC, 2 h after the change" in over

    def test_a_summary_page_lists_its_incidents(self) -> None:
        text = page_text(incident(verdicts=[], causes=[{"kind": "incident", "text": "support: refuses [1]"}]))
        assert "listed    support: refuses [1]" in text
        assert "SELECT" not in text

    def test_a_long_table_is_cut_and_counted(self) -> None:
        many = [verdict(series(region=f"r{n:02}")) for n in range(30)]
        assert [len(moved(incident(verdicts=many))), moved(incident(verdicts=many))[-1]] == [13, "and 18 more"]


def test_latency_up_by_more_than_a_fifth_is_not_green() -> None:
    assert http_line([Level("latency_p50", 1.0, 1.19)]).endswith(": green")
    assert http_line([Level("latency_p50", 1.0, 1.21)]).endswith(": NOT green")
    assert http_line([]) == ""
