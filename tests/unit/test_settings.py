"""Settings: one file and the environment, unknown keys named, secrets shown nowhere."""

from pathlib import Path

import pytest

from undertow.pipelines.settings import Secret, Settings, SettingsError, load, parse


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Settings()


def test_the_environment_wins_over_the_file() -> None:
    found = parse("[budget]\nfalse_pages_per_week = 2", {"UNDERTOW_BUDGET__FALSE_PAGES_PER_WEEK": "5"})
    assert found.budget.false_pages_per_week == 5


def test_lists_come_from_the_environment_with_commas() -> None:
    assert parse("", {"UNDERTOW_INGEST__PATHS": "a.jsonl,b.jsonl"}).ingest.paths == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[ingest]\nwindow_s = 0", "window_s"),
        ("[ingest]\nwindow = 10", "unknown key 'window' in [ingest]; did you mean 'window_s'?"),
        ("[ingests]\nwindow_s = 10", "unknown key 'ingests'; did you mean 'ingest'?"),
        ("[budget]\nnotify = 'loud'", "notify"),
        ("[ingest", "is not valid TOML"),
        ("[alerts.pagerduty]\nrouting_key_file = '/nonexistent/key'", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text)
    assert told in str(refused.value)


def test_a_secret_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 32 + "\n")
    found = parse(
        f'[alerts.pagerduty]\nrouting_key_file = "{key}"\n'
        '[alerts.webhook]\nurl = "https://example.com"\nsecret = "s3cret"\n[store]\npassword = "pa55word"'
    )
    assert found.alerts.pagerduty is not None
    assert found.alerts.pagerduty.routing_key == "k" * 32
    assert not [secret for secret in ("k" * 32, "s3cret", "pa55word") if secret in repr(found)]
    assert "routing_key='***'" in repr(found)


def test_a_secret_shows_only_when_it_is_asked_to() -> None:
    secret = Secret("hidden")
    assert (f"{secret}", repr(secret), secret.reveal()) == ("Secret('***')", "Secret('***')", "hidden")
