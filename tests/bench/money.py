"""Money against real data: `python -m tests.bench.money [folder of the shared data]`.

Token counts of recorded provider answers against the totals that the providers state; prices against another public
table; projections in simulated months; CPU time of each step.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.drift.projection import PICO, project
from undertow.drift.signal import Batch
from undertow.drift.signals.cached_token_share import CachedTokenShare
from undertow.drift.signals.reasoning_tokens import ReasoningTokens
from undertow.drift.signals.time_to_first_token import TimeToFirstToken
from undertow.drift.spend import Spend
from undertow.drift.usage import Usage, usage_in, usage_of
from undertow.pipelines.prices import price_table

DATA = Path(__file__).parents[3] / "shared" / "data"
OBJECTS = {"usage", "usageMetadata", "tokens", "billed_units"}
FOUND_NEAR = 0.01
EVENTS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.money", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA, help="the shared data sets")
    print(table(parser.parse_args().folder))  # noqa: T201 (a report)


def table(folder: Path) -> str:
    """Return the evaluation as Markdown."""
    formats = folder / "trace-formats"
    parts = (
        usages(formats / "provider-exchanges" / "exchanges.jsonl.gz"),
        compare_prices(formats / "litellm" / "model_prices.jsonl.gz"),
        projections(),
        speed(),
    )
    return "\n\n".join("\n".join(part) for part in parts)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        yield from map(json.loads, file)


# -- token counts -----------------------------------------------------------------------------------------------------


def usages(path: Path) -> Iterator[str]:
    """Yield how many usage objects are read, and how many of the stated totals are met."""
    by_package: dict[str, Counter[str]] = {}
    for exchange in lines(path):
        found = by_package.setdefault(exchange["package"], Counter())
        for raw in usage_objects(list(bodies(exchange))):
            usage = usage_in(raw)
            found["objects"] += 1
            found["read"] += isinstance(usage, Usage)
            total = raw.get("total_tokens", raw.get("totalTokens", raw.get("totalTokenCount")))
            if isinstance(usage, Usage) and total is not None:
                found["stated"] += 1
                found["met"] += total == usage.input + usage.output
    yield "| package | usage objects | read | with a stated total | met |\n|---|---|---|---|---|"
    for package, found in sorted(by_package.items()):
        if found["objects"]:
            yield f"| {package} | {found['objects']} | {found['read']} | {found['stated']} | {found['met']} |"
    whole = sum(by_package.values(), Counter[str]())
    yield f"| all | {whole['objects']} | {whole['read']} | {whole['stated']} | {whole['met']} |"


def bodies(exchange: dict[str, Any]) -> Iterator[Any]:
    """Yield the JSON values of an answer: its body, or the events of its stream."""
    if "response" in exchange:
        yield exchange["response"]
    stream = exchange.get("response_stream", "")
    if "response_base64" in exchange:
        stream = base64.b64decode(exchange["response_base64"]).decode("utf-8", "replace")
    for text in re.findall(r"\{.*\}", stream):
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            continue


def usage_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield what counts tokens anywhere in a value, the whole of Cohere's as one object."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in OBJECTS and isinstance(inner, dict) and re.search(r"oken", json.dumps(inner)):
                yield {name: inner} if name in {"tokens", "billed_units"} else inner
            else:
                yield from usage_objects(inner)
        if "prompt_eval_count" in value:
            yield value
    elif isinstance(value, list):
        for inner in value:
            yield from usage_objects(inner)


# -- prices -----------------------------------------------------------------------------------------------------------


def compare_prices(path: Path) -> Iterator[str]:
    """Yield how many models of the other table are known here, and how many cost the same there."""
    prices = price_table({})
    by_provider: dict[str, Counter[str]] = {}
    for row in lines(path):
        if row.get("mode") not in {"chat", "responses", "completion"} or not row.get("input_cost_per_token"):
            continue
        found = by_provider.setdefault(row["litellm_provider"], Counter())
        found["models"] += 1
        ours = prices.prices(provider_name(row["litellm_provider"]), row["model"])
        if ours:
            found["known"] += 1
            found["same"] += any(same(dated.price.input, row["input_cost_per_token"]) for dated in ours) and any(
                same(dated.price.output, row.get("output_cost_per_token", 0.0)) for dated in ours
            )
    largest = sorted(by_provider.items(), key=lambda one: -one[1]["models"])[:14]
    yield "| provider | token-priced models | known | same input and output price |\n|---|---|---|---|"
    whole = sum(by_provider.values(), Counter[str]())
    for provider, found in [*largest, ("all", whole)]:
        yield f"| {provider} | {found['models']:,} | {found['known']:,} | {found['same']:,} |"


def provider_name(theirs: str) -> str:
    """Return the provider as an event names it."""
    known = {"azure": "azure", "bedrock": "aws", "vertex": "google", "gemini": "google", "xai": "x-ai"}
    return next((ours for start, ours in known.items() if theirs.startswith(start)), theirs)


def same(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs * 1e6, rel_tol=FOUND_NEAR, abs_tol=1e-9)


# -- projection -------------------------------------------------------------------------------------------------------


def projections(months: int = 300) -> Iterator[str]:
    """Yield how often the month ends inside the interval, and how far off the value is."""
    yield (
        "| days differ by | a day stays | day of the month | inside the interval | median error |\n"
        "|---|---|---|---|---|"
    )
    for spread in (0.1, 0.25, 0.5):
        for persistence in (0.0, 0.5):
            for day in (5, 10, 20):
                results = [one_month(np.random.default_rng(n), spread, persistence, day) for n in range(months)]
                inside = sum(hit for hit, _ in results) / months
                error = float(np.median([off for _, off in results]))
                yield f"| {spread:.0%} | {persistence:.1f} | {day} | {inside:.0%} | {error:.1%} |"


def one_month(rng: np.random.Generator, spread: float, persistence: float, day: int) -> tuple[bool, float]:
    """Return whether a month of office hours ends inside the interval seen on `day`, and the error of the value."""
    days = np.zeros(58)
    for number in range(1, 58):
        days[number] = persistence * days[number - 1] + rng.normal(0, spread) * math.sqrt(1 - persistence**2)
    hour = np.arange(58 * 24)
    busy = (hour % 24 >= 8) & (hour % 24 < 18) & (hour % 168 < 120)
    dollars = np.where(busy, 5.0, 0.5) * np.repeat(np.exp(days), 24)
    start, now, end = 28 * 24, (28 + day) * 24, 58 * 24
    hours = {number: round(cost * PICO) for number, cost in enumerate(dollars[:now])}
    found = project(hours, now * 3600.0, start * 3600.0, end * 3600.0)
    truth = float(dollars[start:end].sum())
    return found.low <= truth <= found.high, abs(found.value / truth - 1)


# -- speed ------------------------------------------------------------------------------------------------------------


def speed() -> Iterator[str]:
    """Yield what each step costs."""
    prices, events = price_table({}), calls()
    charges = [prices.charge(event) for event in events]
    batch = Batch(events)
    steps: dict[str, Callable[[], object]] = {
        "usage_of": lambda: [usage_of(event) for event in events],
        "PriceTable.charge": lambda: [prices.charge(event) for event in events],
        "PriceTable.charge, model unknown": lambda: [PriceTable().charge(event) for event in events],
        "Spend.observe": lambda: spend(events, charges),
        "cached_token_share": lambda: CachedTokenShare().measure(batch),
        "reasoning_tokens": lambda: ReasoningTokens().measure(batch),
        "time_to_first_token": lambda: TimeToFirstToken().measure(batch),
    }
    yield "| step | µs an event |\n|---|---|"
    for name, step in steps.items():
        yield f"| {name} | {min(taken(step) for _ in range(3)) / len(events) * 1e6:.2f} |"


def calls() -> list[Interaction]:
    rng = np.random.default_rng(1)
    return [
        Interaction(
            id=str(number),
            time=number / 10,
            service="support",
            response_model="gpt-4o-2024-08-06",
            provider="openai",
            user=f"user {number % 500}",
            input_tokens=int(rng.integers(100, 5000)),
            cached_tokens=50,
            output_tokens=200,
            reasoning_tokens=20,
            time_to_first_token=0.4,
        )
        for number in range(EVENTS)
    ]


def spend(events: list[Interaction], charges: list[Any]) -> None:
    following = Spend(lambda user: user)
    for event, charge in zip(events, charges, strict=True):
        following.observe(event, charge, event.time)


def taken(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
