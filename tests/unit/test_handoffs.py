"""Agents in circles, and agents whose work goes on."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from undertow.drift.handoffs import Handoffs, hands_over
from undertow.drift.interaction import Interaction, Message, ToolCall

PING_PONG = "agent ping-pong a ↔ b"


def hop(n: int, agent: str, output: Any = "Which one do you mean?", **fields: Any) -> Interaction:
    envelope: dict[str, Any] = {"id": str(n), "time": float(n), "service": "s", "task": "t"}
    return Interaction(**envelope | {"agent": agent, "output": output} | fields)


def circles(events: Iterable[Interaction], progress: bool = False) -> list[str]:
    seen = Handoffs()
    return [seen.take(event, progress) for event in events]


def first(found: list[str]) -> int:
    """Return the number of the first event that is part of a circle."""
    return next(place for place, circle in enumerate(found) if circle)


def page(n: int, words: int = 60) -> str:
    return " ".join(f"word{n}x{i}" for i in range(words))


def test_a_circle_is_one_from_its_fifth_round_on() -> None:
    assert circles(hop(n, "ab"[n % 2]) for n in range(11)) == [""] * 9 + [PING_PONG] * 2


def test_it_takes_twice_as_many_rounds_where_nobody_recorded_what_they_said() -> None:
    found = circles(hop(n, "ab"[n % 2], None) for n in range(22))
    assert found == [""] * 19 + [PING_PONG] * 3
    asking = circles(hop(n, "ab"[n % 2], None, tool_calls=[ToolCall("ask_b", {"n": n})]) for n in range(22))
    assert first(asking) == 9


def test_it_takes_eight_rounds_across_tasks() -> None:
    assert first(circles(hop(n, "ab"[n % 2], task=f"t{n}") for n in range(40))) == 15


def test_agents_that_say_new_things_are_at_work() -> None:
    """A manager and a reader of pages: nobody repeats anything, however long it goes on."""
    texts = ["Please read the next one and tell me.", "{}"]
    assert not any(circles(hop(n, "ab"[n % 2], texts[n % 2].format(page(n))) for n in range(400)))


@pytest.mark.parametrize("words", [10, 60])
def test_agents_that_say_the_same_in_other_words_are_not(words: int) -> None:
    """Each answer is drawn from the same words, in another order, and numbers something anew."""
    stock = page(0, words).split()
    said = (" ".join(stock[n % words :] + stock[: n % words] + [f"no {n}"]) for n in range(40))
    assert any(circles(hop(n, "ab"[n % 2], text) for n, text in enumerate(said)))


def test_a_few_new_words_in_a_sentence_are_no_news() -> None:
    assert first(circles(hop(n, "ab"[n % 2], page(n, 19)) for n in range(20))) == 9
    assert not any(circles(hop(n, "ab"[n % 2], page(n, 25)) for n in range(40)))


def test_a_long_answer_needs_a_third_of_new_words() -> None:
    """Twenty-five new words among a hundred known ones are the same said differently."""
    known = page(0, 100)
    assert first(circles(hop(n, "ab"[n % 2], f"{known} {page(n, 25)}") for n in range(1, 30))) == 9
    assert not any(circles(hop(n, "ab"[n % 2], f"{known} {page(n, 100)}") for n in range(1, 30)))


def test_texts_of_messages_count_like_plain_ones() -> None:
    assert not any(circles(hop(n, "ab"[n % 2], [Message("assistant", page(n))]) for n in range(40)))


def test_what_was_said_long_ago_is_news_again() -> None:
    """The memory holds five hundred to a thousand words: a bounded one, which never fills up so that nothing is new."""
    seen = Handoffs()
    for n in range(2_000):
        seen.take(hop(n, "ab"[n % 2], page(n)), progress=False)
    assert seen.words is not None
    assert len(seen.words.young) == len(seen.words.old) == 512
    assert seen.words.count < 600
    assert seen.words.add(page(5))
    assert not seen.words.add(page(5))


def test_a_new_result_of_a_tool_breaks_the_circle() -> None:
    assert not any(circles((hop(n, "ab"[n % 2]) for n in range(40)), progress=True))


def test_each_turn_of_the_user_breaks_the_circle() -> None:
    assert not any(circles(hop(n, "ab"[n % 2], turn=n // 4) for n in range(80)))
    assert any(circles(hop(n, "ab"[n % 2], turn=3) for n in range(20)))


def test_a_task_of_several_agents_ends_its_circle() -> None:
    assert not any(circles(hop(n, "ab"[n % 2], task=f"t{n // 8}") for n in range(80)))


def test_agents_at_work_at_the_same_time_hand_nothing_over() -> None:
    assert not any(circles(hop(n, "ab"[n % 2], latency=5.0) for n in range(40)))
    assert any(circles(hop(n, "ab"[n % 2], latency=1.0) for n in range(40)))


def test_five_agents_in_a_circle_are_not_seen() -> None:
    assert not any(circles(hop(n, "abcde"[n % 5]) for n in range(100)))


def test_long_names_are_cut_and_the_name_of_a_circle_stays_the_same() -> None:
    found = circles(hop(n, ["x" * 99, "y" * 99][n % 2]) for n in range(20))
    assert set(found) == {"", f"agent ping-pong {'x' * 40} ↔ {'y' * 40}"}


@pytest.mark.parametrize("name", ["transfer_to_billing", "handoff", "askColleague", "delegate-work"])
def test_passing_the_word_is_no_work(name: str) -> None:
    assert hands_over(name)
    assert not hands_over("task_list")


def test_its_state_is_plain_data() -> None:
    seen = Handoffs()
    for n in range(8):
        seen.take(hop(n, "ab"[n % 2]), progress=False)
    saved = json.loads(json.dumps(msgspec.to_builtins(seen)))
    assert msgspec.convert(saved, Handoffs) == seen
    assert seen.words is not None
