"""`undertow topics`: make what is missing, check what is there, and look at the events that lie there."""

from __future__ import annotations

from collections.abc import Iterator

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.errors import TopicError
from undertow.pipelines.kafka.sample import examine, take
from undertow.pipelines.kafka.topics import TopicFacts, plans, problems
from undertow.pipelines.settings import Settings
from undertow.pipelines.wire import decoder_for

__all__ = ["check_topics", "set_up"]


def set_up(settings: Settings, *, create: bool = True) -> Iterator[str]:
    """Create missing topics, check all of them and sample the events; say so line by line.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, does not create a topic, or a topic cannot work.
    """
    kafka = settings.kafka
    wanted = plans(kafka, settings.ingest)
    with Admin(kafka) as admin:
        found, brokers = admin.topics(list(wanted)), admin.brokers()
        missing = {name: plan for name, plan in wanted.items() if name not in found}
        if create and missing:
            _refuse([problem.text for problem in problems({}, missing, brokers) if "cannot be created" in problem.text])
            admin.create({name: plan.facts(kafka.event_partitions) for name, plan in missing.items()})
            yield from (f"created {name}: {plan.purpose}" for name, plan in missing.items())
            found = admin.topics(list(wanted))
        yield from (_line(name, facts) for name, facts in found.items())
        _refuse([problem.text for problem in problems(found, wanted, brokers)])
    yield from _sampled(settings)


def check_topics(settings: Settings) -> dict[str, TopicFacts]:
    """Return the topics as they are, for a role that is about to start.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        As for `set_up`, in one sentence.
    """
    wanted = plans(settings.kafka, settings.ingest)
    with Admin(settings.kafka) as admin:
        found = admin.topics(list(wanted))
    first, *more = [problem.text for problem in problems(found, wanted, settings.kafka.replication)] or [""]
    _refuse([f"{first} ({len(more)} more: `undertow topics --check` tells all)" if more else first])
    return found


def _sampled(settings: Settings) -> Iterator[str]:
    topic = settings.kafka.events
    sample = examine(take(client_of(settings.kafka), topic), decoder_for(settings.ingest))
    if not sample.events and not sample.rejected:
        yield f"{topic} holds no events yet: run `undertow topics` again then, to see whether tasks stay together"
        return
    yield (
        f"sampled {sample.events} events and {sample.rejected} unreadable records of {topic}: {sample.tasks} tasks "
        f"with several events, {sample.spread_tasks} of them spread over partitions"
    )
    _refuse([sample.problem(topic)])


def _line(name: str, facts: TopicFacts) -> str:
    kept = facts.config["cleanup.policy"]
    if kept == "delete":
        kept = f"kept for {int(facts.config['retention.ms']) / 3_600_000:g} h"
    return f"{name}: {facts.partitions} partitions × {facts.replication}, {kept}"


def _refuse(texts: list[str]) -> None:
    said = [text for text in texts if text]
    if said:
        raise TopicError("\n          ".join(said))
