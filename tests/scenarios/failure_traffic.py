"""Traffic of a support desk, as it is and as failures leave it: each function returns what makes one event of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from undertow.drift.interaction import Kind

__all__ = [
    "DETAILS",
    "REFUSAL",
    "Fields",
    "Make",
    "always",
    "answers",
    "bare",
    "but",
    "call",
    "circling",
    "ended",
    "formed",
    "labelled",
    "scored",
    "some",
    "summary",
    "tasks",
    "tools",
]

Fields = dict[str, Any]
Make = Callable[[random.Random, int], Fields]

QUESTIONS = [
    "Where is my parcel? It was sent on Monday.",
    "How do I change the address of order 8812?",
    "The coupon SPRING is not accepted at the checkout.",
    "Can I return shoes that I have worn once?",
    "Which of the two jackets is the warmer one?",
]
ANSWERS = [
    "Your parcel left our warehouse on Monday and is expected tomorrow before noon.",
    "You can change the address under Orders until the parcel is handed to the carrier.",
    "The coupon holds for orders above 50 euros; yours comes to 42 euros so far.",
    "Yes. Shoes may be returned within 30 days as long as the soles show no wear.",
    "The blue jacket is the warmer one: its filling is 200 g of down, the grey one has 120 g.",
]
DETAILS = [
    "You will get a mail with the tracking number.",
    "The terms are in the section on deliveries.",
    "Reply here if anything is unclear.",
    "Opening hours are nine to six on weekdays.",
]
REFUSAL = "I'm sorry, but I can't help with that request."


def call(rng: random.Random, _: int) -> Fields:
    """An ordinary call of a support desk."""
    answer = " ".join([rng.choice(ANSWERS), *rng.sample(DETAILS, rng.randint(0, 3))])
    return {
        "operation": rng.choice(["answer", "search", "book"]),
        "agent": rng.choice(["desk", "ops"]),
        "attributes": {"region": rng.choice(["eu", "us"])},
        "config": {"variant": rng.choice("ab")},
        "user": f"u{rng.randrange(400)}",
        "model": "house-large",
        "response_model": "house-large-0301",
        "input": rng.choice(QUESTIONS),
        "output": answer,
        "finish_reason": "stop",
        "input_tokens": 1200 + rng.randrange(200),
        "cached_tokens": 900 + rng.randrange(100),
        "output_tokens": len(answer) // 4,
        "latency": rng.lognormvariate(-0.2, 0.4),
        "http_status": 200,
    }


def but(change: Callable[[random.Random, Fields], Fields]) -> Make:
    """Return ordinary calls with a change."""

    def made(rng: random.Random, n: int) -> Fields:
        fields = call(rng, n)
        return fields | change(rng, fields)

    return made


def some(share: float, change: Callable[[random.Random, Fields], Fields], **where: Any) -> Make:
    """Return ordinary calls of which a share has a change, of those with such values of fields or attributes."""

    def changed(rng: random.Random, fields: Fields) -> Fields:
        known = {**fields, **fields["attributes"], **fields["config"]}
        hit = all(known[name] == value for name, value in where.items()) and rng.random() < share
        return change(rng, fields) if hit else {}

    return but(changed)


def always(**fields: Any) -> Callable[[random.Random, Fields], Fields]:
    return lambda rng, known: fields


def answers(text: Callable[[random.Random, str], str]) -> Make:
    """Return ordinary calls whose answer is rewritten."""
    return but(lambda rng, fields: {"output": text(rng, fields["output"])})


def summary(key: str, ascii_only: bool = False) -> Make:
    """Return calls that answer with one JSON object; one in seven is urgent."""

    def written(rng: random.Random, answer: str) -> str:
        known = {key: f"{answer} Café Zürich, señor.", "urgent": rng.random() < 1 / 7, "words": rng.randint(20, 60)}
        return json.dumps(known, ensure_ascii=ascii_only)

    return answers(written)


SCHEMA = {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["refund", "return", "other"]}}}


def labelled(broken: float) -> Make:
    def decided(rng: random.Random, _: Fields) -> Fields:
        label = rng.choice(["refund", "return", "other"])
        valid = json.dumps({"label": label})
        output = f"The label is {label}." if rng.random() < broken else valid
        return {"response_schema": SCHEMA, "output": output}

    return but(decided)


def tasks(runaway: bool) -> Make:
    """Return calls of tasks that take three, or of which every second runs into a ceiling of 25."""

    def stepped(rng: random.Random, n: int) -> Fields:
        block, place = divmod(n, 28)
        part = min(place // 3, 1) if runaway else place // 3
        return call(rng, n) | {"task": f"t{block}-{part}", "cost": 0.01 + rng.random() / 1000}

    return stepped


def scored(name: str, level: float, about: bool) -> Make:
    """Return calls each followed by a score of it, or by a figure of the business."""

    def told(rng: random.Random, n: int) -> Fields:
        if n % 2 == 0:
            return call(rng, n)
        of_call = {"about": f"c{n - 1}"} if about else {}
        return {"kind": Kind.SCORE, "scores": {name: rng.gauss(level, 0.1)}} | of_call

    return told


def ended(early: float) -> Make:
    """Return answers of which a stop sequence cuts some short: their users paste Markdown."""

    def cut(rng: random.Random, fields: Fields) -> Fields:
        if rng.random() >= early:
            return {"finish_reason": "end_turn"}
        return {
            "input": f"### Order 8812\n{fields['input']}",
            "output": "Thanks!",
            "finish_reason": "stop_sequence",
            "stop_sequence": "### ",
        }

    return but(cut)


def circling(share: float) -> Make:
    """Return tool runs; in a share of the tasks the same search, punctuated otherwise, keeps finding nothing."""

    def searched(rng: random.Random, n: int) -> Fields:
        task, step = divmod(n, 10)
        stuck = random.Random(task).random() < share
        query = ["refund policy EU", "Refund policy (EU)"][step % 2] if stuck else f"order {n}"
        found = "No article matches." if stuck else f"Order {n} was sent on day {n % 28} to hall {n * 7 % 31}."
        ran = {"name": "search", "arguments": {"q": query}, "result": found}
        return {"kind": Kind.TOOL, "task": f"t{task}", "tool_calls": [ran], "agent": "desk"}

    return searched


def tools(failing: float) -> Make:
    def used(rng: random.Random, _: Fields) -> Fields:
        failed = rng.random() < failing
        found = {"error": "TimeoutError: inventory did not answer"} if failed else {"result": {"stock": 4}}
        return {"tool_calls": [{"name": "inventory", "arguments": {"sku": rng.randrange(900)}, **found}]}

    return but(used)


def formed(preamble: float) -> Make:
    """Return answers to a few power users and to many others; a share of the former begins with a lecture."""

    def lectured(rng: random.Random, fields: Fields) -> Fields:
        heavy = rng.random() < 0.6
        begun = heavy and rng.random() < preamble
        return {
            "user": f"power{rng.randrange(3)}" if heavy else fields["user"],
            "output": ("Great question! Here is what I found:\n\n" if begun else "") + fields["output"],
        }

    return but(lectured)


def bare(**fields: Any) -> Make:
    return but(always(**fields))
