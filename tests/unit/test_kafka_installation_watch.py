"""What the active pager tells of the installation: told once, also by a successor, and over when it is over."""

from undertow.alerts.incident import ChangeKind
from undertow.pipelines.alert_settings import Health
from undertow.pipelines.kafka.decisions import Decision
from undertow.pipelines.kafka.incident_log import key_of, read, value_of
from undertow.pipelines.kafka.installation_watch import InstallationWatch


class Clock:
    now = 10_000.0

    def __call__(self) -> float:
        return self.now


def told(watch: InstallationWatch, clock: Clock, for_s: float, *, behind: bool) -> list[tuple[ChangeKind, str]]:
    """Let time pass while the second of two partitions gets on, or does not; return what is told."""
    began, found = clock.now, []
    while clock.now < began + for_s:
        heard = {0: clock.now - 20.0, 1: 9_000.0 if behind else clock.now - 20.0}
        found += [(change.kind, change.incident.id) for change in watch.look(heard)]
        clock.now += 10.0
    return found


def test_a_partition_that_stands_still_is_told_once_and_over_when_it_goes_on() -> None:
    clock = Clock()
    watch = InstallationWatch(Health(lag_s=300.0), None, clock)
    assert [kind for kind, _ in told(watch, clock, 600.0, behind=True)] == [ChangeKind.TRIGGER]
    assert [kind for kind, _ in told(watch, clock, 600.0, behind=False)] == [ChangeKind.RESOLVE]


def test_a_partition_that_catches_up_does_not_stand_still() -> None:
    """After an outage it is an hour behind and judges a minute of events every half minute, until it is there."""
    clock = Clock()
    watch = InstallationWatch(Health(lag_s=300.0), None, clock)
    place = clock.now - 3_600.0
    while place < clock.now - 60.0:
        assert watch.look({0: clock.now - 20.0, 1: place}) == []
        clock.now += 10.0
        place += 60.0 if clock.now % 30.0 == 0.0 else 0.0


def test_a_successor_goes_on_with_the_same_incident() -> None:
    clock = Clock()
    first = InstallationWatch(Health(lag_s=300.0), None, clock)
    ((_, incident),) = told(first, clock, 200.0, behind=True)
    kept = read(key_of(first.state), value_of(first.state))
    successor = InstallationWatch(Health(lag_s=300.0), kept, clock)  # type: ignore[arg-type]
    assert told(successor, clock, 300.0, behind=True) == []
    assert told(successor, clock, 300.0, behind=False) == [(ChangeKind.RESOLVE, incident)]


def test_nothing_judged_is_told_of_an_installation_that_was_live_and_of_no_old_log() -> None:
    for latest, kinds in ((9_990.0, [ChangeKind.TRIGGER]), (500.0, [])):
        clock = Clock()
        watch = InstallationWatch(Health(lag_s=300.0), None, clock)
        found = []
        for _ in range(100):
            found += [change.kind for change in watch.look({0: latest, 1: latest})]
            clock.now += 10.0
        assert found == kinds


def test_who_calls_it_false_hears_no_more_of_it_and_another_incident_is_not_its_business() -> None:
    clock = Clock()
    watch = InstallationWatch(Health(lag_s=300.0), None, clock)
    ((_, incident),) = told(watch, clock, 200.0, behind=True)
    assert watch.decide(Decision("1", "false", {"id": "other"}, 0.0)) == []
    (change,) = watch.decide(Decision("2", "false", {"id": incident, "by": "anna"}, 0.0))
    assert (change.kind, change.incident.decided_by) == (ChangeKind.RESOLVE, "anna")
    assert told(watch, clock, 600.0, behind=True) == []
