"""What a task's memory counts as the same again."""

from typing import Any

import pytest

from undertow.drift.arguments import asked_of
from undertow.drift.interaction import ToolCall
from undertow.drift.repetition import Memory


def run(memory: Memory, name: str, arguments: Any, result: Any, time: float = 0.0) -> str:
    return memory.run(ToolCall(name, arguments, result), asked_of(name, arguments), time)


def test_the_third_time_with_the_same_result_the_fifth_without_one() -> None:
    known, unknown = Memory(), Memory()
    assert [run(known, "f", {"q": 1}, []) for _ in range(3)] == ["", "", "identical call"]
    assert [run(unknown, "f", {"q": 1}, None) for _ in range(5)] == [""] * 4 + ["identical call"]


def test_a_result_that_is_new_to_the_task_is_progress_one_that_it_had_is_not() -> None:
    memory = Memory()
    for result, novel in (("a", 1), ("b", 2), ("a", 2), ("b", 2)):
        run(memory, "f", {"q": result}, result)
        assert memory.novel == novel


def test_what_a_model_asks_for_and_what_runs_is_one_story() -> None:
    """Asking and running is not doing it twice; what the run brought, the next request knows."""
    memory, call = Memory(), ToolCall("f", {"q": 1})
    found = []
    for _ in range(4):
        found.append(memory.ask([call], 0.0))
        found.append(run(memory, "f", {"q": 1}, "-"))
    assert found == [""] * 5 + ["identical call"] * 3


NOTHING = "No article in the help centre matches these words."


def test_questions_that_share_most_words_and_get_the_same_answer_are_one_question() -> None:
    memory = Memory()
    asked = ["refund policy shoes", "shoes refund policies", "the refund policy of shoes EU", "policy refunds shoes?"]
    found = [run(memory, "search", {"q": f"{asked[n % 4]} {n}"}, NOTHING) for n in range(8)]
    assert found == [""] * 4 + ["near-identical arguments"] * 4


@pytest.mark.parametrize("rest", ["policy", "policy for shoes"])
def test_one_question_after_another_is_work_though_none_has_an_answer(rest: str) -> None:
    """Half of the words or fewer are the same as the time before."""
    memory, names = Memory(), ["anna", "bert", "carl", "dora", "emil", "fritz", "gerda", "heinz", "ida"]
    assert not any(run(memory, "search", {"q": f"{name} {rest}"}, NOTHING) for name in names)


def test_what_the_next_input_says_is_the_result_of_what_was_asked_for() -> None:
    memory, call = Memory(), ToolCall("f", {"q": 1})
    found = []
    for _ in range(4):
        found.append(memory.ask([call], 0.0))
        memory.hear("nothing found")
    assert found == ["", "", "", "identical call"]
    memory.ask([call], 0.0)
    memory.hear("something else")
    assert memory.ask([call], 0.0) == ""


def test_a_text_said_to_nobody_known_counts_only_when_it_is_long() -> None:
    memory = Memory()
    assert memory.say("a", None, "x" * 99, 0.0) is None
    assert [memory.say("a", None, "x" * 100, 0.0) for _ in range(3)] == ["", "", "identical call"]


def test_the_same_question_with_other_answers_is_silent() -> None:
    memory = Memory()
    assert not any(memory.say("a", "Why?", f"Because of {n}. " * 9, 0.0) for n in range(30))


@pytest.mark.parametrize(("every_s", "times"), [(29.0, 3), (31.0, 20)])
def test_looking_now_and_then_has_patience(every_s: float, times: int) -> None:
    memory = Memory()
    found = [run(memory, "inbox", {}, "empty", n * every_s) for n in range(25)]
    assert found.index("identical call") == times - 1


def test_it_holds_48_actions_and_48_results() -> None:
    memory = Memory()
    for n in range(500):
        run(memory, "f", {"n": n}, f"r{n}")
    assert len(memory.actions) == len(memory.results) == 48
    for n in range(500):
        run(memory, "f", {"q": f"red shoes {n}"}, f"r{n % 40} {NOTHING}")
    assert memory.size() <= 3 * 48
