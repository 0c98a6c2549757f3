"""The outbox: nothing lost, nothing out of order, whatever dies in between."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_samples import change
from hypothesis import given, settings
from hypothesis import strategies as st

from undertow.alerts.incident import Change, ChangeKind
from undertow.alerts.outbox import Counts, Entry, Outbox, OutboxError, backoff_s

TRIGGER, UPDATE, RESOLVE = ChangeKind.TRIGGER, ChangeKind.UPDATE, ChangeKind.RESOLVE
NOW = 1_000_000.0


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite")
    yield box
    box.close()


def entry(attempts: int = 0, revision: int = 1) -> Entry:
    return Entry(1, "pagerduty", change(revision=revision), attempts, NOW)


def about(entry: Entry) -> Change:
    assert isinstance(entry.change, Change)
    return entry.change


def due(outbox: Outbox, now: float = NOW, channel: str = "pagerduty") -> list[str]:
    return [found.change.id for found in outbox.due(now, channel)]


def enqueue(outbox: Outbox, *kinds: ChangeKind, number: int = 0, channel: str = "pagerduty") -> None:
    for revision, kind in enumerate(kinds, start=1):
        outbox.enqueue(change(kind, number, revision), [channel], NOW)


def test_a_change_is_put_up_once_for_each_channel(outbox: Outbox) -> None:
    assert outbox.enqueue(change(), ["pagerduty", "webhook"], NOW) == 2
    assert outbox.enqueue(change(), ["pagerduty", "webhook"], NOW) == 0
    assert due(outbox) == due(outbox, channel="webhook") == [change().id]


def test_it_stays_known_after_it_was_delivered(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER)
    outbox.delivered(outbox.due(NOW, "pagerduty")[0], NOW)
    assert outbox.enqueue(change(), ["pagerduty"], NOW) == 0


def test_a_change_comes_back_as_it_went_in(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER)
    assert outbox.due(NOW, "pagerduty")[0].change == change()


def test_a_later_change_waits_for_the_earlier_one_of_its_incident(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, UPDATE, RESOLVE)
    enqueue(outbox, TRIGGER, number=1)
    first, other = outbox.due(NOW, "pagerduty")
    assert (about(first).kind, about(other).incident.id) == (TRIGGER, change(number=1).incident.id)
    outbox.retry(first, NOW, "503")
    assert due(outbox) == [other.change.id]
    (again,) = [e for e in outbox.due(NOW + 300, "pagerduty") if about(e).incident.id == about(first).incident.id]
    outbox.delivered(again, NOW)
    assert [about(e).kind for e in outbox.due(NOW, "pagerduty")] == [TRIGGER, UPDATE]


def test_channels_do_not_wait_for_one_another(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, RESOLVE)
    enqueue(outbox, TRIGGER, RESOLVE, channel="webhook")
    outbox.delivered(outbox.due(NOW, "webhook")[0], NOW)
    assert [about(e).kind for name in ("pagerduty", "webhook") for e in outbox.due(NOW, name)] == [TRIGGER, RESOLVE]


def test_new_pages_go_before_news_of_old_ones(outbox: Outbox) -> None:
    enqueue(outbox, RESOLVE, number=0)
    enqueue(outbox, TRIGGER, number=1)
    assert [about(e).kind for e in outbox.due(NOW, "pagerduty")] == [TRIGGER, RESOLVE]


def test_only_updates_are_collapsed_into_the_newest(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, UPDATE, UPDATE, UPDATE, RESOLVE)
    told = []
    while found := outbox.due(NOW, "pagerduty"):
        told.append(found[0].change.id.rsplit(".", 1)[1])
        outbox.delivered(found[0], NOW)
    assert told == ["1", "4", "5"]
    assert outbox.counts(NOW) == Counts(delivered=3, collapsed=2)


def test_an_update_collapsed_while_it_was_being_sent_is_counted_as_delivered(outbox: Outbox) -> None:
    enqueue(outbox, UPDATE)
    sending = outbox.due(NOW, "pagerduty")[0]
    outbox.enqueue(change(UPDATE, revision=2), ["pagerduty"], NOW)
    outbox.delivered(sending, NOW)
    assert outbox.counts(NOW) == Counts(pending=1, delivered=1)


def test_a_resolve_whose_trigger_was_refused_is_dropped_with_a_record(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, RESOLVE)
    outbox.refused(outbox.due(NOW, "pagerduty")[0], NOW, "400: no such key")
    assert due(outbox) == []
    assert [(key, why) for key, _, why in outbox.refusals()] == [
        (change(revision=2).id, "the channel never took its trigger"),
        (change().id, "400: no such key"),
    ]
    assert outbox.counts(NOW) == Counts(refused=1, dropped=1)


def test_a_resolve_is_sent_when_an_update_opened_the_alert_after_all(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, UPDATE, RESOLVE)
    outbox.refused(outbox.due(NOW, "pagerduty")[0], NOW, "400: too odd")
    outbox.delivered(outbox.due(NOW, "pagerduty")[0], NOW)
    assert due(outbox) == [change(revision=3).id]


def test_a_shadow_entry_is_recorded_and_never_due(outbox: Outbox) -> None:
    assert outbox.record_shadow(change(), ["pagerduty"], NOW) == 1
    enqueue(outbox, TRIGGER, RESOLVE)
    assert due(outbox) == []
    assert outbox.counts(NOW) == Counts(shadow=1, dropped=1)


def test_what_waits_for_a_channel_that_is_gone_is_refused(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER)
    enqueue(outbox, TRIGGER, channel="webhook")
    assert outbox.refuse_channels_except(["webhook"], NOW) == 1
    assert outbox.counts(NOW) == Counts(pending=1, refused=1)


class TestBackoff:
    def test_it_doubles_up_to_five_minutes_with_half_of_it_as_jitter(self) -> None:
        for attempts in range(60):
            step = min(300.0, 2.0**attempts)
            assert 0.5 * step <= backoff_s(entry(attempts)) <= step

    def test_jitter_differs_between_entries_and_not_between_runs(self) -> None:
        waits = {backoff_s(entry(8, revision)) for revision in range(50)}
        assert len(waits) == 50
        assert waits == {backoff_s(entry(8, revision)) for revision in range(50)}

    @pytest.mark.parametrize(("asked", "waited"), [(40.0, 40.0), (9000.0, 300.0)])
    def test_what_the_other_side_asks_for_is_honoured_up_to_five_minutes(self, asked: float, waited: float) -> None:
        assert backoff_s(entry(), asked) == waited

    def test_a_shorter_request_does_not_shorten_the_backoff(self) -> None:
        assert backoff_s(entry(8), 1.0) == backoff_s(entry(8))

    def test_a_failed_entry_is_due_after_its_wait(self, outbox: Outbox) -> None:
        enqueue(outbox, TRIGGER)
        wait = outbox.retry(outbox.due(NOW, "pagerduty")[0], NOW, "503")
        assert outbox.next_due("pagerduty") == NOW + wait
        assert due(outbox, NOW + wait - 0.01) == []
        assert outbox.due(NOW + wait, "pagerduty")[0].attempts == 1

    def test_what_stands_behind_a_waiting_entry_is_not_due_before_it(self, outbox: Outbox) -> None:
        enqueue(outbox, TRIGGER, RESOLVE)
        wait = outbox.retry(outbox.due(NOW, "pagerduty")[0], NOW, "503")
        assert outbox.next_due("pagerduty") == NOW + wait

    def test_waiting_for_a_rate_limit_is_no_failed_attempt(self, outbox: Outbox) -> None:
        enqueue(outbox, TRIGGER)
        outbox.defer(outbox.due(NOW, "pagerduty")[0], NOW, 7.0, "own limit")
        assert due(outbox, NOW + 6.9) == []
        assert outbox.due(NOW + 7, "pagerduty")[0].attempts == 0

    def test_a_clock_put_back_does_not_hold_up_a_page(self, outbox: Outbox) -> None:
        enqueue(outbox, TRIGGER)
        outbox.retry(outbox.due(NOW, "pagerduty")[0], NOW, "503")
        assert due(outbox, NOW - 86_400) == [change().id]

    def test_a_page_of_last_week_is_given_up_with_a_record(self, outbox: Outbox) -> None:
        enqueue(outbox, TRIGGER)
        outbox.retry(outbox.due(NOW, "pagerduty")[0], NOW + 7 * 86_400 + 1, "503")
        assert outbox.refusals()[0][2] == "given up after 7 days; last: 503"


def test_counts_tell_the_age_of_the_oldest(outbox: Outbox) -> None:
    outbox.enqueue(change(number=0), ["pagerduty"], NOW)
    outbox.enqueue(change(number=1), ["pagerduty"], NOW + 50)
    assert outbox.counts(NOW + 60) == Counts(pending=2, oldest_age_s=60.0)


def test_finished_entries_are_forgotten_after_a_month_and_pending_ones_never(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, UPDATE)
    outbox.delivered(outbox.due(NOW, "pagerduty")[0], NOW)
    assert outbox.prune(NOW + 30 * 86_400) == 0
    assert outbox.prune(NOW + 30 * 86_400 + 1) == 1
    assert outbox.counts(NOW).pending == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["deliver", "retry", "refuse"])), max_size=60))
@settings(max_examples=40, deadline=None)
def test_whatever_the_answers_each_incident_is_told_in_order(steps: list[tuple[int, str]]) -> None:
    box, now, told = Outbox(":memory:"), NOW, dict[str, list[int]]()
    for number in range(3):
        enqueue(box, TRIGGER, UPDATE, UPDATE, RESOLVE, number=number)
    for pick, answer in steps:
        found = box.due(now, "pagerduty")
        if found:
            one = found[pick % len(found)]
            told.setdefault(about(one).incident.id, []).append(about(one).incident.revision)
            if answer == "deliver":
                box.delivered(one, now)
            elif answer == "refuse":
                box.refused(one, now, "no")
            else:
                box.retry(one, now, "later")
        now += 61
    box.close()
    assert all(revisions == sorted(revisions) for revisions in told.values())


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from alert_samples import change
from undertow.alerts.outbox import Outbox
box = Outbox(sys.argv[1])
for number in range(20):
    box.enqueue(change(number=number), ["pagerduty"], 1e6)
box.delivered(box.due(1e6, "pagerduty")[0], 1e6)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_entries_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    helpers = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), helpers], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    box = Outbox(path)
    assert box.counts(NOW) == Counts(pending=19, delivered=1)
    box.close()


def test_what_comes_after_a_page_that_is_held_back_is_held_back_with_it(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER)
    outbox.hold(outbox.due(NOW, "pagerduty")[0], NOW + 50, "silenced")
    outbox.enqueue(change(RESOLVE, revision=2), ["pagerduty"], NOW)
    assert outbox.counts(NOW) == Counts(silenced=2)
    assert (due(outbox, NOW + 49), outbox.next_due("pagerduty")) == ([], NOW + 50)
    (page,) = outbox.due(NOW + 50, "pagerduty")
    assert (page.held, page.over, page.since) == ("silenced", True, NOW + 50)


def test_what_was_told_stands_until_a_resolve_waits_or_is_told(outbox: Outbox) -> None:
    enqueue(outbox, TRIGGER, UPDATE)
    enqueue(outbox, TRIGGER, number=1)
    for _ in range(2):
        for entry in outbox.due(NOW, "pagerduty"):
            outbox.delivered(entry, NOW)
    standing = [change(UPDATE, revision=2), change(number=1)]
    assert [c.id for c in outbox.standing("pagerduty")] == [c.id for c in standing]
    assert outbox.standing("webhook") == []
    outbox.enqueue(change(RESOLVE, revision=3), ["pagerduty"], NOW)
    assert [c.id for c in outbox.standing("pagerduty")] == [change(number=1).id]


class TestFiles:
    def test_every_commit_is_synced(self, outbox: Outbox) -> None:
        assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_a_place_that_cannot_be_written_is_named_with_a_way_out(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutboxError, match=r"cannot open the outbox .*file/outbox.*point `data` at another folder"):
            Outbox(tmp_path / "file" / "outbox.sqlite")
        with pytest.raises(OutboxError, match="unable to open"):
            Outbox(tmp_path)

    def test_a_file_that_is_no_outbox_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("not a database at all, but long enough to be read as a header " * 20)
        with pytest.raises(OutboxError, match="file is not a database"):
            Outbox(tmp_path / "x")

    def test_an_outbox_of_the_first_schema_is_taken_over_and_old_refusals_stay_old(self, tmp_path: Path) -> None:
        path = tmp_path / "outbox.sqlite"
        box = Outbox(path)
        enqueue(box, TRIGGER)
        enqueue(box, TRIGGER, number=1)
        box.refused(box.due(NOW, "pagerduty")[0], NOW, "400")
        box.close()
        db = sqlite3.connect(path)
        db.execute("DROP INDEX late")
        for column in ("held_until", "held", "fell_back"):
            db.execute(f"ALTER TABLE entries DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
        db.close()
        box = Outbox(path)
        assert due(box) == [change(number=1).id]
        assert [late.change_id for late in box.fall_back(NOW + 1000, 900, "email")] == [change(number=1).id]
        assert due(box, NOW + 1000, "email") == [change(number=1).id]
        box.close()

    def test_a_newer_schema_is_refused_with_both_versions(self, tmp_path: Path) -> None:
        path = tmp_path / "outbox.sqlite"
        Outbox(path).close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 9")
        db.close()
        with pytest.raises(OutboxError, match="schema version 9, this program knows 2; run the newer program"):
            Outbox(path)

    def test_a_change_is_put_up_for_all_channels_or_none(self, outbox: Outbox) -> None:
        def channels() -> Iterator[str]:
            yield "pagerduty"
            raise LookupError("no second channel")

        with pytest.raises(LookupError):
            outbox.enqueue(change(), channels(), NOW)
        assert outbox.counts(NOW) == Counts()

    def test_a_failed_write_is_an_error_and_leaves_the_outbox_usable(self, outbox: Outbox) -> None:
        outbox._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(OutboxError, match=r"cannot use the outbox .*full"):
            outbox.enqueue(change(headline="x" * 1_000_000), ["pagerduty"], NOW)
        outbox._db.execute("PRAGMA max_page_count = 100000")
        assert outbox.enqueue(change(number=999), ["pagerduty"], NOW) == 1
