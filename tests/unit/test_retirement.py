"""When models are switched off."""

from datetime import UTC, date, datetime

import pytest

from undertow.drift.retirement import ModelSeen, Retirements
from undertow.pipelines.prices import retirements

DAY = 86_400.0
TABLE = Retirements(
    {"openai": {"old-2024-08-06": 100 * DAY, "old": 300 * DAY}, "azure": {"old-2024-08-06": 200 * DAY}},
    {"mine": 50 * DAY, "azure/old": 40 * DAY},
)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "old-2024-08-06", ("openai", 100 * DAY)),
        ("azure.ai.openai", "OLD-2024-08-06", ("azure", 200 * DAY)),
        (None, "old-2024-08-06", ("openai", 100 * DAY)),
        ("some-proxy", "openai/old-2024-08-06", ("openai", 100 * DAY)),
        ("openai", "old-2024-11-20", None),  # another dated model is not its alias
        ("azure", "old", ("configuration", 40 * DAY)),
        ("openai", "old", ("openai", 300 * DAY)),
        ("anything", "team/mine", ("configuration", 50 * DAY)),
        ("openai", "new", None),
    ],
)
def test_a_date_belongs_to_a_provider_and_to_that_very_model(
    provider: str | None, model: str, expected: tuple[str, float] | None
) -> None:
    assert TABLE.of(provider, model) == expected


def test_what_is_due_comes_nearest_first_and_what_is_over_before_it() -> None:
    seen = [ModelSeen("old", "openai", 7), ModelSeen("mine", None, 3), ModelSeen("new", "openai", 9)]
    seen.append(ModelSeen("old-2024-08-06", "openai", 5))
    due = TABLE.due(seen, now=60 * DAY, within_days=90)
    assert [(one.model, one.days, one.calls) for one in due] == [("mine", -10.0, 3), ("old-2024-08-06", 40.0, 5)]


@pytest.mark.parametrize(
    ("provider", "model", "day"),
    [
        ("anthropic", "claude-3-opus-20240229", date(2026, 1, 5)),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", date(2027, 4, 8)),
        ("azure", "gpt-4o-2024-05-13", date(2026, 12, 9)),
        ("openai", "gpt-4o-2024-05-13", date(2026, 10, 23)),
    ],
)
def test_the_shipped_table_knows_well_known_models(provider: str, model: str, day: date) -> None:
    found = retirements().of(provider, model)
    assert found is not None
    assert datetime.fromtimestamp(found[1], UTC).date() == day


def test_the_users_date_goes_before_the_shipped_one() -> None:
    found = retirements({"gpt-4o-2024-05-13": date(2027, 1, 1)}).of("openai", "gpt-4o-2024-05-13")
    assert found == ("configuration", datetime(2027, 1, 1, tzinfo=UTC).timestamp())
