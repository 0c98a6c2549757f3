"""The pager on Kafka: windows joined from all partitions, a lease that outlives nobody, an outbox that is a log."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from alert_samples import T0
from judged_windows import NAMES, WINDOW, changes, judged, machine, messages, quiet

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.incident import Change, ChangeKind, State
from undertow.pipelines.kafka import verdict_messages
from undertow.pipelines.kafka.book import Book
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.incident_log import Finished, Place, Planned, key_of, read, value_of
from undertow.pipelines.kafka.lease import Lease, fenced
from undertow.pipelines.kafka.machine import Saved
from undertow.pipelines.kafka.pager_partition import PagerPartition
from undertow.pipelines.kafka.telling import LoggedOutbox, Telling, still_to_tell
from undertow.pipelines.settings import Settings


def test_a_window_waits_until_every_partition_has_judged_it() -> None:
    pager = machine()
    pager.take(messages(judged(0, 0, "refusal_rate")))
    assert pager.last_closed is None
    pager.take(messages(judged(1, 0), first=1))
    assert pager.last_closed == T0 + WINDOW


def test_an_incident_is_planned_once_however_often_its_window_is_said() -> None:
    log = messages(judged(0, 0, "refusal_rate"), judged(1, 0, "latency"), judged(0, 0, "refusal_rate"), quiet(1, 9))
    planned = changes(machine().take(log))
    assert [one.change.kind for one in planned if not one.change.silent] == [ChangeKind.TRIGGER]
    assert {one.series.metric for one in planned[0].change.incident.verdicts} == {"refusal_rate", "latency"}


def test_many_verdicts_come_in_parts_and_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_messages, "_VERDICTS", 1)
    parts = judged(0, 0, "refusal_rate", "latency", "empty_rate")
    assert len(parts) == 3
    log = messages(parts[:2], parts, judged(1, 0), quiet(1, 9))  # a predecessor died in the middle
    (planned, *_) = changes(machine().take(log))
    assert len(planned.change.incident.verdicts) == 3


def test_a_gap_is_an_error() -> None:
    with pytest.raises(LostStateError, match="series partition 0 goes on behind the window from"):
        machine().take(messages(judged(0, 0), judged(0, 2)))


def test_a_successor_plans_the_same_from_any_state() -> None:
    log = messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 30))
    whole = machine().take(log)
    states = [one for one in whole if isinstance(one, Saved)]
    assert len(states) > 3
    for state in states:
        later = machine(state.content)
        assert later.rewind == state.position
        outputs = later.take(log)
        assert changes(outputs) == changes(whole)[len(changes(whole)) - len(changes(outputs)) :]
        assert [one for one in outputs if isinstance(one, Saved)] == states[states.index(state) + 1 :]


def test_a_state_of_another_installation_is_refused() -> None:
    (state, *_) = [one for one in machine().take(messages(quiet(0, 9))) if isinstance(one, Saved)]
    with pytest.raises(ValueError, match="3 series partitions, and the pager's state was made with 2"):
        PagerPartition(Settings(), NAMES, 3, 3, state.content)


# -- lease -------------------------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_who_was_stopped_may_not_tell_before_it_has_heard_of_its_successor() -> None:
    clock = Clock()
    old, new = Lease("old", 6.0, clock), Lease("new", 6.0, clock)
    began = old.sign()
    assert began is not None
    old.hear(began)
    assert old.holds
    clock.now += 8.0  # stopped; meanwhile:
    began = new.sign()
    assert began is not None
    new.hear(began)
    assert (old.holds, new.holds) == (False, True)
    renewed = old.sign()  # it goes on as if nothing had been, and writes behind its successor
    assert renewed is not None
    for lease in (old, new):
        lease.hear(began)
        lease.hear(renewed)
    assert (old.holds, new.holds) == (False, True)


def test_signs_are_due_long_before_the_last_one_ends() -> None:
    clock = Clock()
    lease = Lease("a", 6.0, clock)
    for _ in range(50):
        sign = lease.sign()
        if sign is not None:
            lease.hear(sign)
        assert lease.holds
        clock.now += 0.5


class Noting:
    name = "noting"

    def __init__(self) -> None:
        self.told: list[str] = []

    def send(self, change: Change) -> Delivery:
        self.told.append(change.id)
        return Delivery(Outcome.DELIVERED)


def test_a_fenced_channel_is_not_asked_while_the_lease_does_not_hold() -> None:
    channel, lease = Noting(), Lease("a", 6.0, Clock())
    (planned, *_) = changes(machine().take(messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 9))))
    assert fenced(channel, lease).send(planned.change).outcome is Outcome.DEFERRED
    assert channel.told == []


# -- telling -----------------------------------------------------------------------------------------------------------


def story() -> list[Planned]:
    """A trigger, its completion and, by hand, a resolve."""
    (first, *_) = changes(machine().take(messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 9))))
    over = msgspec.structs.replace(first.change, id=first.change.id + "x", kind=ChangeKind.RESOLVE)
    return [first, Planned(Place(first.place.window + 60.0, 0), over)]


def test_a_judged_window_says_its_version_and_one_of_a_newer_undertow_is_refused() -> None:
    (message,) = judged(0, 0, "refusal_rate")
    told = msgspec.msgpack.decode(message)
    version = verdict_messages.VERSION
    assert told["version"] == version
    older = msgspec.msgpack.encode(told | {"version": version - 1})
    assert verdict_messages.decode(older).verdicts == verdict_messages.decode(message).verdicts
    with pytest.raises(ValueError, match=f"version {version + 1}, this .* up to {version}: update the pager before"):
        verdict_messages.decode(msgspec.msgpack.encode(told | {"version": version + 1}))


def test_a_change_that_was_written_again_keeps_its_place() -> None:
    trigger, resolve = story()
    book = Book()
    for record in (resolve, trigger):  # compaction has kept the repeat of the trigger, which lies behind the resolve
        book.take(record)
    assert [change.kind for change, _ in book.in_order()] == [ChangeKind.TRIGGER, ChangeKind.RESOLVE]


def test_a_successor_tells_what_was_not_told_and_only_that(tmp_path: Path) -> None:
    trigger, resolve = story()
    book, channel, lease = Book(), Noting(), held_lease()
    for record in (trigger, resolve, Finished(trigger.change.id, "noting", "delivered")):
        book.take(record)
    telling = Telling(Settings(data=str(tmp_path)), {"noting": channel}, lease, book)
    telling.take(trigger)  # comes back from the log once more
    _wait(lambda: channel.told == [resolve.change.id])
    telling.close()
    assert [one.change for one in telling.finished()] == [resolve.change.id]


def updated(number: int) -> Planned:
    """An update between the trigger and the resolve."""
    trigger, _ = story()
    change = msgspec.structs.replace(trigger.change, id=f"{trigger.change.id}u{number}", kind=ChangeKind.UPDATE)
    return Planned(Place(trigger.place.window, number), change)


def test_an_update_that_was_overtaken_is_not_told_after_its_resolve(tmp_path: Path) -> None:
    """Nobody was told the first update, since the second came; only what was told is written down."""
    (trigger, resolve), (first, second) = story(), map(updated, (1, 2))
    told = [Finished(one.change.id, "noting", "delivered") for one in (trigger, second, resolve)]
    other = Planned(
        resolve.place,
        msgspec.structs.replace(
            trigger.change, id="other", incident=msgspec.structs.replace(trigger.change.incident, id="other")
        ),
    )
    channel, lease = Noting(), held_lease()
    telling = Telling(
        Settings(data=str(tmp_path)), {"noting": channel}, lease, held(trigger, first, second, resolve, other, *told)
    )
    _wait(lambda: bool(channel.told))
    telling.close()
    assert channel.told == ["other"]


def test_who_was_told_nothing_is_told_everything_in_its_order(tmp_path: Path) -> None:
    """One channel knows how it ended; the other was away."""
    (trigger, resolve), update = story(), updated(1)
    book = held(trigger, update, resolve, *(Finished(one.change.id, "a", "delivered") for one in (trigger, resolve)))
    channels, lease = {"a": Noting(), "b": Noting()}, held_lease()
    telling = Telling(Settings(data=str(tmp_path)), {**channels}, lease, book)
    _wait(lambda: len(channels["b"].told) == 3)
    telling.close()
    assert channels["b"].told == [one.change.id for one in (trigger, update, resolve)]
    assert channels["a"].told == []


def test_what_is_still_to_be_told_can_be_seen_without_telling_it() -> None:
    """Of two channels one has the trigger; nobody was told the resolve."""
    trigger, resolve = story()
    silent = msgspec.structs.replace(trigger.change, id="quiet", silent=True)
    told = Finished(trigger.change.id, "a", "delivered"), Finished(trigger.change.id, "c", "refused")
    book = held(trigger, resolve, *told, Planned(trigger.place, silent))
    channels = {name: Noting() for name in "abc"}
    counts = still_to_tell(Settings(), {**channels}, book)
    assert (counts.pending, counts.delivered, counts.refused) == (4, 1, 1)
    assert still_to_tell(Settings(), {}, book).pending == 0
    assert [channel.told for channel in channels.values()] == [[], [], []]


def held_lease() -> Lease:
    """A lease that holds for the length of a test."""
    lease = Lease("a", 60.0)
    sign = lease.sign()
    assert sign is not None
    lease.hear(sign)
    return lease


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20.0
    while not true() and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert true()


def over(one: Planned) -> Planned:
    """The same of an incident that is over."""
    ended = msgspec.structs.replace(one.change.incident, state=State.RESOLVED)
    return msgspec.structs.replace(one, change=msgspec.structs.replace(one.change, incident=ended))


def later(one: Planned, days: float) -> Planned:
    return msgspec.structs.replace(one, place=Place(one.place.window + days * 86_400.0, 0))


def held(*records: Planned | Finished) -> Book:
    book = Book()
    for record in records:
        book.take(record)
    return book


def test_what_is_a_month_older_than_the_latest_is_forgotten_with_what_became_of_it() -> None:
    trigger, resolve = story()
    late = later(over(resolve), 31.0)
    told = Finished(trigger.change.id, "noting", "delivered")
    keys = [b"change/" + trigger.change.id.encode(), b"done/" + trigger.change.id.encode() + b"/noting"]
    assert held(trigger, late, told).forget(0.0, {trigger.change.id}) == []
    assert held(trigger, later(resolve, 31.0), told).forget(0.0) == []  # still open
    book = held(trigger, late, told)
    assert book.forget(0.0) == keys
    assert [change.id for change, _ in book.in_order()] == [late.change.id]


def test_pages_about_the_installation_make_nobody_forget_what_an_old_log_says() -> None:
    trigger, resolve = story()
    year = trigger.place.window + 365 * 86_400.0
    sick = msgspec.structs.replace(trigger.change.incident, id="sick", about="lag", state=State.RESOLVED)
    health = Planned(Place(year, 0), msgspec.structs.replace(trigger.change, id="sick.0", incident=sick))
    assert held(trigger, over(resolve), health).forget(year) == []
    assert held(trigger, over(resolve), health).forget(year + 31 * 86_400.0) == [b"change/sick.0"]


def test_records_come_back_as_they_were_and_others_are_passed_over() -> None:
    for record in (story()[0], Finished("1", "c", "refused", "no")):
        assert read(key_of(record), value_of(record)) == record
    assert read(b"change/1", None) is None
    assert read(b"something/else", b"x") is None
    with pytest.raises(ValueError, match=r"change/1 of undertow.incidents cannot be read"):
        read(b"change/1", b"x")
    outbox = LoggedOutbox()
    outbox.close()
