"""Calls on their way into pages: in order, never waited for again while the store is away, and said so."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from judged_windows import changes, judged, machine, messages, quiet

from undertow.alerts.incident import Change
from undertow.pipelines.clickhouse import StoreUnreachableError
from undertow.pipelines.kafka.illustrating import REST_S, UNREAD, Illustrator
from undertow.pipelines.stored_calls import Answer


def story() -> list[Change]:
    log = messages(judged(0, 0, "refusal_rate"), judged(1, 0), quiet(1, 30))
    return [planned.change for planned in changes(machine().take(log))]


def illustrated(answer: Answer, clock: Callable[[], float] = lambda: 0.0) -> list[Change]:
    illustrator = Illustrator(answer, lambda change: None, clock)
    found = [illustrator.illustrated(change) for change in story()]
    illustrator.close()
    return found


def test_without_a_store_changes_pass_as_they_are() -> None:
    found: list[Change] = []
    illustrator = Illustrator(None, found.append)
    for change in story():
        illustrator.put(change)
    illustrator.close()
    assert found == story()


def test_who_does_not_answer_is_not_asked_again_for_a_minute_and_pages_say_so() -> None:
    asked: list[str] = []

    def away(sql: str) -> Sequence[Sequence[Any]]:
        asked.append(sql)
        raise StoreUnreachableError("no")

    found = illustrated(away)
    assert [change.id for change in found] == [change.id for change in story()]
    assert all(change.incident.words == [UNREAD] for change in found if not change.silent)
    assert len(asked) == 1
    times = itertools.count(0.0, 2 * REST_S)
    illustrated(away, lambda: next(times))
    assert len(asked) == 1 + sum(not change.silent for change in story())


def test_calls_of_before_and_since_stand_in_the_page() -> None:
    def answer(sql: str) -> list[tuple[Any, ...]]:
        refuses = int("I cannot" in sql or len(asked) % 2)
        asked.append(sql)
        said = "I cannot help." if refuses else "Of course."
        return [(n, str(n), 1.0, "Why?", f"{said} {n}", refuses, 0, 0, 0, 0.5, *[None] * 6) for n in range(40)]

    asked: list[str] = []
    (first, *_) = illustrated(answer)
    assert [call["output"][:9] for call in first.incident.shown["before"]][:1] == ["Of course"]
    assert [call["output"][:8] for call in first.incident.shown["since"]][:1] == ["I cannot"]
