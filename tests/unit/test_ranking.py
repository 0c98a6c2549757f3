"""Which verdict speaks, and which way it hurts."""

from __future__ import annotations

import math

import msgspec
import pytest
from alert_samples import series, verdict
from hypothesis import given
from hypothesis import strategies as st

from undertow.alerts.ranking import effect, harmful, lead, ranked, without_repeats
from undertow.drift.metrics import METRICS
from undertow.drift.verdict import Estimate, Verdict


def one(
    metric: str, before: float, after: float, kind: str = "page", statistic: float = 18.0, **segment: str
) -> Verdict:
    return verdict(series(metric, **segment), kind, before=before, after=after, statistic=statistic)


def test_the_effect_of_a_rate_is_its_log_odds_ratio_and_of_a_level_its_log_ratio() -> None:
    assert effect(one("refusal_rate", 0.02, 0.2)) == pytest.approx(math.log((0.2 / 0.8) / (0.02 / 0.98)), rel=0.01)
    assert effect(one("output_length", 800, 400)) == pytest.approx(-math.log(2))


@given(st.sampled_from([*METRICS, "score.helpful"]), st.floats(), st.floats(), st.integers(0, 10**9))
def test_an_effect_is_finite_whatever_the_levels(metric: str, before: float, after: float, events: int) -> None:
    levels = {"before": Estimate(before, before, before, events), "after": Estimate(after, after, after, events)}
    assert math.isfinite(effect(msgspec.structs.replace(one(metric, 1, 1), **levels)))


class TestLead:
    def test_the_whole_service_speaks_when_the_change_is_there(self) -> None:
        whole, eu = one("refusal_rate", 0.02, 0.10), one("refusal_rate", 0.02, 0.12, region="eu")
        assert lead([eu, whole]) is whole

    def test_a_slice_speaks_when_the_whole_shows_it_diluted(self) -> None:
        whole, eu = one("refusal_rate", 0.02, 0.04), one("refusal_rate", 0.02, 0.12, region="eu")
        assert lead([whole, eu]) is eu

    def test_among_slices_the_largest_effect_speaks(self) -> None:
        eu, us = one("refusal_rate", 0.02, 0.12, region="eu"), one("refusal_rate", 0.02, 0.06, region="us")
        assert lead([us, eu]) is eu

    def test_among_metrics_harm_comes_first_and_then_evidence(self) -> None:
        gain = one("latency", 2.0, 0.5, statistic=90)
        weak, strong = (
            one("refusal_rate", 0.02, 0.10, statistic=16),
            one("schema_violation_rate", 0.01, 0.1, statistic=30),
        )
        assert ranked([gain, weak, strong]) == [strong, weak, gain]

    def test_what_is_worth_a_page_comes_before_a_notice(self) -> None:
        notice, page = one("refusal_rate", 0.02, 0.2, kind="notice", statistic=99), one("latency", 1, 2)
        assert lead([notice, page]) is page

    @pytest.mark.parametrize(
        ("metric", "before", "after"),
        [
            ("refusal_rate", 0.02, 0.1),
            ("output_length", 400, 300),
            ("cost_per_task", 0.2, 0.1),
            ("latency.high", 0.01, 0.1),
        ],
    )
    def test_what_people_understand_speaks_before_a_direction_of_embeddings(
        self, metric: str, before: float, after: float
    ) -> None:
        plain, vague = one(metric, before, after, statistic=15), one("output_centroid", 0.0, 1.2, statistic=500)
        assert lead([vague, plain]) is plain
        keys = one("output_structure", 0.0, 0.3, statistic=15)
        assert lead([vague, keys]) is keys

    def test_a_direction_of_embeddings_speaks_where_nothing_else_is_worth_a_page(self) -> None:
        vague = one("output_centroid", 0.0, 1.2)
        assert lead([vague, one("refusal_rate", 0.02, 0.022, kind="notice")]) is vague

    def test_no_verdicts_have_no_lead(self) -> None:
        with pytest.raises(ValueError, match="without verdicts"):
            lead([])


@pytest.mark.parametrize(
    ("metric", "before", "after", "hurts"),
    [("latency", 1, 2, True), ("latency", 2, 1, False), ("output_length", 2, 1, True), ("score.helpful", 1, 2, True)],
)
def test_harm_is_the_metric_s_own_direction(metric: str, before: float, after: float, hurts: bool) -> None:
    assert harmful(one(metric, before, after)) is hurts


@pytest.mark.parametrize("level", [("output_length", 300, 500), ("refusal_rate", 0.02, 0.1)])
def test_a_level_speaks_before_any_tail(level: tuple[str, float, float]) -> None:
    tail, mean = one("output_length.high", 0.01, 0.2, statistic=99), one(*level, statistic=18)
    assert ranked([tail, mean]) == [mean, tail]


def test_a_slice_that_is_nearly_all_of_the_traffic_is_not_told_again() -> None:
    whole, copy = one("refusal_rate", 0.02, 0.10), one("refusal_rate", 0.02, 0.10, response_model="only-one")
    part = msgspec.structs.replace(
        one("refusal_rate", 0.02, 0.2, region="eu"), before=msgspec.structs.replace(whole.before, events=300)
    )
    whole = msgspec.structs.replace(whole, before=msgspec.structs.replace(whole.before, events=1000))
    copy = msgspec.structs.replace(copy, before=msgspec.structs.replace(whole.before, events=990))
    assert without_repeats([copy, whole, part]) == [whole, part]
    assert without_repeats([copy]) == [copy]
