"""The pager: durable first, at least once, in order, and one channel never waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alert_samples import change

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.incident import Change, ChangeKind
from undertow.alerts.outbox import Counts, Outbox, OutboxError
from undertow.alerts.pager import Pager, PagerThread

TRIGGER, UPDATE, RESOLVE = ChangeKind.TRIGGER, ChangeKind.UPDATE, ChangeKind.RESOLVE
OK = Delivery(Outcome.DELIVERED)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Recorder:
    """Answers as told, and records what it was asked."""

    def __init__(self, name: str, answer: Callable[[Change], Delivery] = lambda _: OK) -> None:
        self.name = name
        self.answer = answer
        self.sent: list[str] = []

    def send(self, change: Change) -> Delivery:
        self.sent.append(change.id)
        return self.answer(change)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite")
    yield box
    box.close()


def story(number: int = 0) -> list[Change]:
    return [change(kind, number, revision) for revision, kind in enumerate((TRIGGER, UPDATE, RESOLVE), start=1)]


def test_what_is_submitted_is_durable_before_anything_is_sent(outbox: Outbox, clock: Clock) -> None:
    channel = Recorder("webhook")
    assert Pager(outbox, {"webhook": channel}, clock).submit(story()) == 3
    assert (outbox.counts(clock()).pending, channel.sent) == (3, [])


def test_one_round_attempts_each_incident_once_in_order(outbox: Outbox, clock: Clock) -> None:
    channel = Recorder("webhook")
    pager = Pager(outbox, {"webhook": channel}, clock)
    pager.submit(story())
    assert [pager.pump().delivered for _ in range(4)] == [1, 1, 1, 0]
    assert channel.sent == [c.id for c in story()]


def test_changes_told_twice_are_sent_once(outbox: Outbox, clock: Clock) -> None:
    channel = Recorder("webhook")
    pager = Pager(outbox, {"webhook": channel}, clock)
    pager.submit([change()])
    pager.pump()
    assert pager.submit([change()]) == 0
    assert pager.pump().attempted == 0


def test_a_silent_change_reaches_no_channel(outbox: Outbox, clock: Clock) -> None:
    pager = Pager(outbox, {"console": Recorder("console")}, clock)
    quiet = change()
    assert pager.submit([Change(quiet.id, quiet.kind, quiet.incident, quiet.at, silent=True)]) == 0


def test_a_refusal_is_final_and_a_failure_comes_back(outbox: Outbox, clock: Clock) -> None:
    answers = {
        change(number=0).id: Delivery(Outcome.REFUSED, "400"),
        change(number=1).id: Delivery(Outcome.RETRY, "503"),
    }
    channel = Recorder("webhook", lambda c: answers.pop(c.id, OK))
    pager = Pager(outbox, {"webhook": channel}, clock)
    pager.submit([change(number=0), change(number=1)])
    report = pager.pump()
    assert (report.refused, report.retried, report.attempted) == (1, 1, 2)
    assert pager.pump().attempted == 0
    clock.now += 2
    assert pager.pump().delivered == 1


def test_a_channel_that_raises_costs_neither_the_page_nor_the_others(outbox: Outbox, clock: Clock) -> None:
    def explode(_: Change) -> Delivery:
        raise RuntimeError("the secret is s3cret")

    good = Recorder("console")
    pager = Pager(outbox, {"webhook": Recorder("webhook", explode), "console": good}, clock)
    pager.submit([change()])
    report = pager.pump()
    assert (report.delivered, report.retried, good.sent) == (1, 1, [change().id])
    assert outbox._db.execute("SELECT detail FROM entries WHERE channel = 'webhook'").fetchone() == (
        "the channel failed: RuntimeError",
    )


def test_a_slow_channel_spends_its_own_share_of_the_budget(outbox: Outbox, clock: Clock) -> None:
    def crawl(_: Change) -> Delivery:
        clock.now += 10
        return Delivery(Outcome.RETRY, "timeout")

    slow, quick = Recorder("pagerduty", crawl), Recorder("webhook")
    pager = Pager(outbox, {"pagerduty": slow, "webhook": quick}, clock)
    pager.submit(change(number=n) for n in range(20))
    pager.pump(budget_s=50)
    assert (len(slow.sent), len(quick.sent)) == (3, 20)


def test_a_channel_at_its_own_limit_is_left_alone_and_nothing_fails(outbox: Outbox, clock: Clock) -> None:
    channel = Recorder("pagerduty", lambda _: Delivery(Outcome.DEFERRED, "own limit", 7.0))
    pager = Pager(outbox, {"pagerduty": channel}, clock)
    pager.submit(change(number=n) for n in range(5))
    report = pager.pump()
    assert (report.deferred, report.attempted, len(channel.sent)) == (1, 0, 1)


def test_an_entry_for_a_channel_that_is_gone_is_refused(outbox: Outbox, clock: Clock) -> None:
    Pager(outbox, {"webhook": Recorder("webhook")}, clock).submit([change()])
    Pager(outbox, {"console": Recorder("console")}, clock).pump()
    assert outbox.counts(clock()).refused == 1


def test_shadow_mode_records_what_it_would_have_sent_and_tells_the_console_only(outbox: Outbox, clock: Clock) -> None:
    loud, quiet = Recorder("pagerduty"), Recorder("console")
    pager = Pager(outbox, {"pagerduty": loud, "console": quiet}, clock, notify="shadow")
    pager.submit(story())
    for _ in range(4):
        pager.pump()
    assert (loud.sent, len(quiet.sent)) == ([], 3)
    assert outbox.counts(clock()) == Counts(delivered=3, shadow=3)


def test_old_entries_are_pruned_on_the_way(outbox: Outbox, clock: Clock) -> None:
    pager = Pager(outbox, {"console": Recorder("console")}, clock)
    pager.submit([change()])
    pager.pump()
    clock.now += 31 * 86_400
    pager.pump()
    assert outbox.counts(clock()) == Counts()


class TestThread:
    def test_pages_leave_beside_the_stream_and_in_order(self, outbox: Outbox, clock: Clock) -> None:
        done = threading.Event()
        seen: list[str] = []

        def answer(c: Change) -> Delivery:
            seen.append(c.id)
            if len(seen) == 9:
                done.set()
            return OK

        with PagerThread(Pager(outbox, {"webhook": Recorder("webhook", answer)}, clock), clock) as runner:
            for number in range(3):
                runner.submit(story(number))
            assert done.wait(10)
        for number in range(3):
            assert [key for key in seen if key in {c.id for c in story(number)}] == [c.id for c in story(number)]

    def test_a_channel_that_hangs_holds_up_no_other(self, outbox: Outbox, clock: Clock) -> None:
        hanging, release, done = threading.Event(), threading.Event(), threading.Event()

        def hang(_: Change) -> Delivery:
            hanging.set()
            release.wait(10)
            return OK

        def quick(_: Change) -> Delivery:
            done.set()
            return OK

        channels = {"pagerduty": Recorder("pagerduty", hang), "webhook": Recorder("webhook", quick)}
        runner = PagerThread(Pager(outbox, channels, clock), clock)
        runner.start()
        runner.submit([change(number=0)])
        assert hanging.wait(10)
        done.clear()
        runner.submit([change(number=1)])
        assert done.wait(10)
        release.set()
        assert runner.stop()

    def test_it_stops_clean_and_leaves_the_rest_on_disk(self, outbox: Outbox, clock: Clock) -> None:
        called = threading.Event()

        def fail(_: Change) -> Delivery:
            called.set()
            return Delivery(Outcome.RETRY, "503")

        runner = PagerThread(Pager(outbox, {"webhook": Recorder("webhook", fail)}, clock), clock)
        with runner:
            runner.submit([change()])
            assert called.wait(10)
        assert not [t for t in threading.enumerate() if t.name.startswith("undertow-pager")]
        assert outbox.counts(clock()).pending == 1

    def test_it_says_when_the_outbox_cannot_be_used(self, tmp_path: Path, clock: Clock) -> None:
        box = Outbox(tmp_path / "outbox.sqlite")
        runner = PagerThread(Pager(box, {"console": Recorder("console")}, clock), clock)
        box.close()
        runner._round("console")
        assert "closed database" in runner.error
        with pytest.raises(OutboxError, match="closed database"):
            runner.submit([change()])
        assert runner.stop()
