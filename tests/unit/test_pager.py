"""The pager: durable first, at least once, in order, and one channel never waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from alert_samples import change

from undertow.alerts.channel import Announcement, Delivery, Outcome
from undertow.alerts.incident import Change, ChangeKind, Severity, Version
from undertow.alerts.matcher import Matcher
from undertow.alerts.outbox import Counts, Outbox, OutboxError
from undertow.alerts.pager import Pager, Policy
from undertow.alerts.pager_thread import PagerThread
from undertow.alerts.routes import Route
from undertow.alerts.silences import Silence, Silences

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
    pager = Pager(outbox, {"pagerduty": loud, "console": quiet}, clock, Policy(notify="shadow"))
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


def drain(pager: Pager, clock: Clock, until: float = 0.0) -> None:
    """Pump until nothing is due before that time, letting the clock stand in for all waiting."""
    for _ in range(100):
        pager.pump()
        due = pager.next_due()
        if due is None or due > max(until, clock.now):
            break
        clock.now = max(due, clock.now)
    clock.now = max(until, clock.now)


class TestOutage:
    def test_a_service_that_is_down_for_a_day_gets_a_call_a_minute_and_then_everything_at_once(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        back_at = clock.now + 86_400
        channel = Recorder("webhook", lambda _: OK if clock.now >= back_at else Delivery(Outcome.RETRY, "503"))
        pager = Pager(outbox, {"webhook": channel}, clock)
        pager.submit(change(number=n) for n in range(50))
        while clock.now < back_at:
            pager.pump()
            clock.now = max(clock.now + 0.5, pager.next_due() or 0.0)
        assert 1000 < len(channel.sent) < 1600
        assert clock.now < back_at + 60
        pager.pump()
        pager.pump()
        assert outbox.counts(clock()) == Counts(delivered=50)

    def test_a_channel_that_asks_for_time_gets_it_for_all_that_waits(self, outbox: Outbox, clock: Clock) -> None:
        channel = Recorder("webhook", lambda _: Delivery(Outcome.RETRY, "429", 30.0))
        pager = Pager(outbox, {"webhook": channel}, clock)
        pager.submit(change(number=n) for n in range(5))
        pager.pump()
        clock.now += 29
        pager.pump()
        assert len(channel.sent) == 1
        assert pager.next_due() == clock.now + 1

    def test_a_clock_put_back_does_not_prolong_the_rest(self, outbox: Outbox, clock: Clock) -> None:
        channel = Recorder("webhook", lambda _: Delivery(Outcome.RETRY, "429", 30.0))
        pager = Pager(outbox, {"webhook": channel}, clock)
        pager.submit([change()])
        pager.pump()
        clock.now -= 86_400
        pager.pump()
        assert len(channel.sent) == 2


class TestRoutes:
    def test_a_route_names_the_channels_and_the_console_shows_everything(self, outbox: Outbox, clock: Clock) -> None:
        channels = {name: Recorder(name) for name in ("console", "pagerduty", "slack")}
        policy = Policy(routes=(Route(service=("support",), channels=("slack",)),))
        pager = Pager(outbox, channels, clock, policy)
        pager.submit([change(), change(number=1, service="other")])
        drain(pager, clock)
        assert channels["slack"].sent == channels["console"].sent == [change().id, change(number=1).id]
        assert channels["pagerduty"].sent == [change(number=1).id]

    def test_who_hears_of_an_incident_first_when_it_grows_gets_a_trigger(self, outbox: Outbox, clock: Clock) -> None:
        told: list[ChangeKind] = []

        def note(c: Change) -> Delivery:
            told.append(c.kind)
            return OK

        channels = {"slack": Recorder("slack"), "pagerduty": Recorder("pagerduty", note)}
        policy = Policy(routes=(Route(severity=(Severity.WARNING,), channels=("slack",)),))
        pager = Pager(outbox, channels, clock, policy)
        pager.submit([change(severity=Severity.WARNING)])
        pager.submit([change(UPDATE, revision=2, severity=Severity.CRITICAL)])
        pager.submit([change(RESOLVE, revision=3, severity=Severity.CRITICAL)])
        drain(pager, clock)
        assert told == [TRIGGER, RESOLVE]
        assert len(channels["slack"].sent) == 3

    def test_an_escalation_is_a_page_for_those_who_were_told_and_for_those_who_are_now(
        self, outbox: Outbox, clock: Clock
    ) -> None:
        channels = {"slack": Recorder("slack"), "pagerduty": Recorder("pagerduty")}
        policy = Policy(routes=(Route(severity=(Severity.WARNING,), channels=("slack",)),))
        pager = Pager(outbox, channels, clock, policy)
        pager.submit([change(severity=Severity.WARNING)])
        pager.submit([change(ChangeKind.ESCALATE, revision=2, severity=Severity.CRITICAL)])
        with outbox._transaction() as db:
            kinds = db.execute("SELECT channel, kind FROM entries ORDER BY seq").fetchall()
        assert kinds == [("slack", "trigger"), ("slack", "escalate"), ("pagerduty", "trigger")]

    def test_a_resolve_goes_to_those_who_were_told(self, outbox: Outbox, clock: Clock) -> None:
        channels = {"slack": Recorder("slack"), "pagerduty": Recorder("pagerduty")}
        policy = Policy(routes=(Route(severity=(Severity.ERROR,), channels=("slack",)),))
        pager = Pager(outbox, channels, clock, policy)
        pager.submit([change(), change(RESOLVE, revision=2, severity=Severity.INFO)])
        drain(pager, clock)
        assert (len(channels["slack"].sent), channels["pagerduty"].sent) == (2, [])

    def test_a_fallback_that_is_no_channel_is_refused(self, outbox: Outbox, clock: Clock) -> None:
        with pytest.raises(
            ValueError, match="the fallback is the channel 'email', which is not configured; configured are: slack"
        ):
            Pager(outbox, {"slack": Recorder("slack")}, clock, Policy(fallback="email"))


def silence(clock: Clock, for_s: float = 3600.0, **about: tuple[str, ...]) -> Silence:
    matcher = Matcher(service=about.get("service", ("support",)))
    return Silence(
        id="load", matcher=matcher, starts_at=clock.now, ends_at=clock.now + for_s, reason="load test", by="anna"
    )


class TestSilences:
    def keep(self) -> tuple[list[Change], Recorder]:
        said: list[Change] = []

        def note(c: Change) -> Delivery:
            said.append(c)
            return OK

        return said, Recorder("pagerduty", note)

    def test_a_silenced_page_is_shown_kept_and_told_at_the_end(self, outbox: Outbox, clock: Clock) -> None:
        (said, loud), quiet = self.keep(), Recorder("console")
        pager = Pager(outbox, {"pagerduty": loud, "console": quiet}, clock)
        pager.silence(silence(clock))
        end = clock.now + 3600
        pager.submit([change()])
        pager.pump()
        assert (said, quiet.sent) == ([], [change().id])
        assert outbox.counts(clock()) == Counts(delivered=1, silenced=1)
        assert [(key, until) for key, until, _ in outbox.held(clock())] == [(change().incident.id, end)]
        assert pager.next_due() == end
        drain(pager, clock, until=end)
        pager.pump()
        (told,) = said
        assert told.incident.severity is Severity.ERROR
        assert told.incident.headline.endswith("(silenced until 1970-01-12 14:46:40 UTC by anna: load test)")

    def test_what_is_over_when_the_silence_ends_is_told_and_wakes_nobody(self, outbox: Outbox, clock: Clock) -> None:
        said, loud = self.keep()
        pager = Pager(outbox, {"pagerduty": loud}, clock)
        pager.silence(silence(clock))
        end = clock.now + 3600
        pager.submit([change()])
        pager.pump()
        pager.submit([change(RESOLVE, revision=2)])
        drain(pager, clock, until=end)
        drain(pager, clock)
        assert [c.kind for c in said] == [TRIGGER, RESOLVE]
        assert said[0].incident.severity is Severity.WARNING

    def test_lifting_a_silence_lets_go_of_what_it_held(self, outbox: Outbox, clock: Clock) -> None:
        said, loud = self.keep()
        pager = Pager(outbox, {"pagerduty": loud}, clock)
        pager.silence(silence(clock))
        pager.submit([change()])
        pager.pump()
        assert (pager.lift("load"), pager.lift("load")) == (True, False)
        pager.pump()
        assert len(said) == 1

    def test_others_are_told_and_so_is_news_of_what_was_told_before(self, outbox: Outbox, clock: Clock) -> None:
        said, loud = self.keep()
        pager = Pager(outbox, {"pagerduty": loud}, clock)
        pager.submit([change()])
        pager.pump()
        pager.silence(silence(clock))
        pager.submit([change(RESOLVE, revision=2), change(number=1, service="other")])
        drain(pager, clock)
        assert [c.kind for c in said] == [TRIGGER, TRIGGER, RESOLVE]

    def test_a_silence_does_not_make_a_page_late(self, outbox: Outbox, clock: Clock) -> None:
        _, loud = self.keep()
        email = Recorder("email")
        policy = Policy(silences=Silences(configured=[silence(clock)]), fallback="email", fallback_after_s=60)
        pager = Pager(outbox, {"pagerduty": loud, "email": email}, clock, policy)
        end = clock.now + 3600
        pager.submit([change()])
        pager.pump()
        clock.now = end - 1
        pager.pump()
        assert (email.sent, outbox.counts(clock()).oldest_age_s) == ([], 0.0)


class TestFallback:
    def test_a_page_that_waits_too_long_is_told_elsewhere_and_logged_once(
        self, outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        down, email = Recorder("pagerduty", lambda _: Delivery(Outcome.RETRY, "503")), Recorder("email")
        policy = Policy(fallback="email", fallback_after_s=900)
        pager = Pager(outbox, {"pagerduty": down, "email": email}, clock, policy)
        pager.submit([change()])
        drain(pager, clock, until=clock.now + 899)
        assert email.sent == []
        drain(pager, clock, until=clock.now + 2)
        drain(pager, clock, until=clock.now + 3600)
        assert email.sent == [change().id]
        (late,) = [record.message for record in caplog.records if "UNDELIVERED" in record.message]
        assert change().id in late
        assert "waits for pagerduty" in late
        assert late.endswith("503")

    def test_the_fallback_is_told_the_rest_of_the_story_too(self, outbox: Outbox, clock: Clock) -> None:
        email = Recorder("email")
        down = Recorder("pagerduty", lambda _: Delivery(Outcome.RETRY, "503"))
        pager = Pager(outbox, {"pagerduty": down, "email": email}, clock, Policy(fallback="email"))
        pager.submit([change(), change(UPDATE, revision=2)])
        drain(pager, clock, until=clock.now + 1000)
        pager.submit([change(RESOLVE, revision=3)])
        drain(pager, clock, until=clock.now + 10)
        assert email.sent == [c.id for c in story()]

    def test_a_refused_page_falls_back_at_once(self, outbox: Outbox, clock: Clock) -> None:
        email = Recorder("email")
        wrong = Recorder("pagerduty", lambda _: Delivery(Outcome.REFUSED, "400 wrong key"))
        pager = Pager(outbox, {"pagerduty": wrong, "email": email}, clock, Policy(fallback="email"))
        pager.submit([change()])
        pager.pump()
        clock.now += 1
        pager.pump()
        assert email.sent == [change().id]

    def test_what_waited_for_a_channel_that_is_gone_falls_back(self, outbox: Outbox, clock: Clock) -> None:
        Pager(outbox, {"webhook": Recorder("webhook")}, clock).submit([change()])
        email = Recorder("email")
        pager = Pager(outbox, {"email": email}, clock, Policy(fallback="email"))
        pager.pump()
        assert email.sent == [change().id]

    def test_without_a_fallback_it_is_logged(
        self, outbox: Outbox, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        pager = Pager(outbox, {"slack": Recorder("slack", lambda _: Delivery(Outcome.REFUSED, "410"))}, clock)
        pager.submit([change()])
        pager.pump()
        clock.now += 1
        pager.pump()
        assert [r.message for r in caplog.records if "there is no fallback" in r.message]


class Forgetful(Recorder):
    """A channel that must be reminded."""

    remind_every_s = 60.0

    def __init__(self) -> None:
        super().__init__("alertmanager")
        self.reminders: list[list[str]] = []

    def remind(self, standing: Sequence[Change]) -> Delivery:
        self.reminders.append([c.id for c in standing])
        return OK


def test_what_stands_is_told_again_until_it_is_resolved_also_by_the_next_run(outbox: Outbox, clock: Clock) -> None:
    channel = Forgetful()
    pager = Pager(outbox, {"alertmanager": channel}, clock)
    pager.submit([change(), change(number=1), change(UPDATE, revision=2)])
    drain(pager, clock)
    for _ in range(4):
        clock.now += 30
        pager.pump()
    standing = [change(revision=2).id, change(number=1).id]
    assert channel.reminders == [standing, standing]
    Pager(outbox, {"alertmanager": channel}, clock).pump()
    assert channel.reminders[2:] == [standing]
    pager.submit([change(RESOLVE, revision=3)])
    clock.now += 60
    pager.pump()
    assert channel.reminders[3:] == [[change(number=1).id]]


class Timeline(Recorder):
    """A channel with a place for announcements."""

    def announce(self, announcement: Announcement) -> Delivery:
        self.sent.append(announcement.version.value)
        return OK


def test_first_seen_versions_are_announced_once_after_all_pages_and_only_where_there_is_a_place(
    outbox: Outbox, clock: Clock
) -> None:
    timeline, plain = Timeline("pagerduty"), Recorder("slack")
    pager = Pager(outbox, {"pagerduty": timeline, "slack": plain}, clock)
    versions = [Version("prompt_version", name, 5.0, "support") for name in ("v1", "v2")]
    assert (pager.announce(versions), pager.announce(versions)) == (2, 0)
    pager.submit([change()])
    pager.pump()
    assert (timeline.sent, plain.sent) == ([change().id, "v1", "v2"], [change().id])


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
