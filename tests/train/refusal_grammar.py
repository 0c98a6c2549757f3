"""Training texts drawn from the sentences of refusal_texts.toml, and what stands around them: answers, JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

__all__ = ["drawn", "expand"]

_TEXTS = tomllib.loads(Path(__file__).with_name("refusal_texts.toml").read_text(encoding="utf-8"))
_REFUSALS, _LECTURES, _PARTIAL, _COMPLIANCE = (
    _TEXTS[name] for name in ("refusals", "lectures", "partial", "compliance")
)
_SLOTS: dict[str, list[str]] = _TEXTS["slots"] | {"open": _REFUSALS["open"]}
_LANGUAGES: list[dict[str, list[str]]] = list(_TEXTS["languages"].values())

_CHOICE = re.compile(r"\(([^()]*)\)(\??)|\{(\w+)\}")
_SPACES = re.compile(r"  +")


def expand(template: str, rng: Random) -> str:
    """Return the template with its choices made and its slots filled; `( … )?` may fall away.

    Examples
    --------
    >>> expand("(Hi|Hi), (there|there).", Random(1))
    'Hi, there.'
    """

    def decide(match: re.Match[str]) -> str:
        options, optional, slot = match[1], match[2], match[3]
        if slot:
            return rng.choice(_SLOTS[slot])
        return "" if optional and rng.random() < 0.5 else rng.choice(options.split("|"))

    before = ""
    while before != template:
        before, template = template, _CHOICE.sub(decide, template)
    return _SPACES.sub(" ", template).replace(" ,", ",").replace(" .", ".").replace(" ?", "?").strip()


def drawn(count: int, bodies: Sequence[str], seed: int) -> Iterator[tuple[str, int]]:
    """Yield `count` texts with their class: 0 answer, 1 part of an answer, 2 refusal. `bodies` are plain answers."""
    rng = Random(seed)
    kinds = list(_KINDS)
    for _ in range(count):
        kind = rng.choices(kinds, [_KINDS[kind][0] for kind in kinds])[0]
        _, label, write = _KINDS[kind]
        yield _spelled(write(rng, bodies), rng), label


def _one(bank: Sequence[str], rng: Random) -> str:
    return expand(rng.choice(bank), rng)


def _joined(*parts: str) -> str:
    said = ""
    for part in parts:
        if part:
            begins = not said or said[-1] in ".!?:"
            said += (" " if said else "") + (part[0].upper() + part[1:] if begins else part)
    return said


def _core(rng: Random) -> str:
    return _joined(_one(_REFUSALS["open"], rng), _one(_REFUSALS["core"], rng))


def _refusal(rng: Random, _: Sequence[str]) -> str:
    more = [_one(_REFUSALS["reason"], rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    parts = [_core(rng), *more, _one(_REFUSALS["instead"], rng)]
    if rng.random() < 0.15:  # the reason first
        parts[0], parts[1] = parts[1], parts[0]
    return _joined(*parts)


def _bare(rng: Random, _: Sequence[str]) -> str:
    return _one(_REFUSALS["bare"], rng)


def _lecture(rng: Random, _: Sequence[str]) -> str:
    firsts = [_one(_LECTURES["first"], rng) for _ in range(rng.choice((1, 1, 2)))]
    return _joined(*firsts, *(_one(_LECTURES["then"], rng) for _ in range(rng.choice((1, 2, 3)))))


def _lectured_refusal(rng: Random, bodies: Sequence[str]) -> str:
    return _joined(_refusal(rng, bodies), _lecture(rng, bodies))


def _evaded(rng: Random, bodies: Sequence[str]) -> str:
    """A disclaimer, then the lecture: an opinion that is not given is no answer."""
    first = expand("{self} I (don't|do not) (have|hold) personal (opinions|beliefs|views)( or biases)?. However,", rng)
    return _joined(first, _lecture(rng, bodies))


def _json_refusal(rng: Random, bodies: Sequence[str]) -> str:
    key = rng.choice(("error", "answer", "response", "message", "refusal", "reason", "text", "result"))
    return json.dumps({key: _refusal(rng, bodies)}, indent=rng.choice((None, 2)))


def _partial(rng: Random, bodies: Sequence[str]) -> str:
    said = _joined(_one(_PARTIAL["refuse"], rng), _one(_PARTIAL["turn"], rng))
    return f"{said}\n\n{_body(rng, bodies)}" if rng.random() < 0.7 else f"{said} {_facts(rng)}"


def _late(rng: Random, bodies: Sequence[str]) -> str:
    return f"{_body(rng, bodies)}\n\n{_one(_PARTIAL['late'], rng)}"


def _lectured_answer(rng: Random, bodies: Sequence[str]) -> str:
    return f"{_lecture(rng, bodies)} {_one(_PARTIAL['turn'], rng)}\n\n{_body(rng, bodies)}"


def _answer(rng: Random, bodies: Sequence[str]) -> str:
    firsts = [_one(_COMPLIANCE["first"], rng) for _ in range(rng.choice((1, 1, 2)))]
    said = _joined(*firsts, _facts(rng))
    return f"{said}\n\n{_body(rng, bodies)}" if rng.random() < 0.4 else said


def _facts(rng: Random) -> str:
    return _joined(*rng.choices(_SLOTS["fact"], k=rng.choice((0, 1, 2, 3))))


def _work(rng: Random, bodies: Sequence[str]) -> str:
    said = _joined(*(_one(_COMPLIANCE["work"], rng) for _ in range(rng.choice((1, 1, 2, 3)))))
    return f"{said}\n\n{_body(rng, bodies)}" if rng.random() < 0.15 else said


def _letter(rng: Random, _: Sequence[str]) -> str:
    return _joined(_one(_COMPLIANCE["letter"], rng), _facts(rng))


def _json_answer(rng: Random, _: Sequence[str]) -> str:
    said = _joined(_one(_COMPLIANCE["first"], rng), _facts(rng))
    return json.dumps({rng.choice(("answer", "summary", "text", "result", "message")): said, "status": "ok"})


def _foreign_refusal(rng: Random, _: Sequence[str]) -> str:
    return _few(rng.choice(_LANGUAGES)["refusals"], rng, (1, 1, 2))


def _foreign_answer(rng: Random, _: Sequence[str]) -> str:
    return _few(rng.choice(_LANGUAGES)["answers"], rng, (1, 2, 3))


def _few(bank: Sequence[str], rng: Random, counts: Sequence[int]) -> str:
    chosen = rng.sample(list(bank), min(len(bank), rng.choice(counts)))
    return " ".join(expand(text, rng) for text in chosen)


def _body(rng: Random, bodies: Sequence[str]) -> str:
    body = rng.choice(bodies).strip()
    return body[: rng.choice((150, 400, 1500))]


def _spelled(text: str, rng: Random) -> str:
    """Return the text as one of many hands writes it."""
    kind = rng.random()
    if kind < 0.15:
        return text.replace("'", "’")
    if kind < 0.18:
        return text.lower()
    if kind < 0.19:
        return text.upper()
    return f"**{text}**" if kind > 0.99 else text


# name: (weight, class, writer)
_KINDS: dict[str, tuple[int, int, Callable[[Random, Sequence[str]], str]]] = {
    "refusal": (28, 2, _refusal),
    "bare": (4, 2, _bare),
    "lecture": (12, 2, _lecture),
    "lectured refusal": (6, 2, _lectured_refusal),
    "evaded": (2, 2, _evaded),
    "refusal in JSON": (2, 2, _json_refusal),
    "refusal in another language": (9, 2, _foreign_refusal),
    "partial": (12, 1, _partial),
    "late": (3, 1, _late),
    "lectured answer": (3, 1, _lectured_answer),
    "answer": (30, 0, _answer),
    "work": (14, 0, _work),
    "letter": (5, 0, _letter),
    "answer in JSON": (2, 0, _json_answer),
    "answer in another language": (6, 0, _foreign_answer),
}
