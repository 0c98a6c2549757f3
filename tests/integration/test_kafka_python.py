"""What kafka-python needs help with, on a real broker."""

import time
import uuid
from contextlib import closing

from kafka_broker import Addresses

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Partition, Position
from undertow.pipelines.kafka.clients.kafka_python import KafkaPython
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

PATIENCE_S = 30.0


def test_a_join_that_outlasts_a_poll_is_not_forgotten(kafka_addresses: Addresses) -> None:
    """It begins since the topic looks different from what the last assignment was made for."""
    settings = Kafka(servers=(kafka_addresses.plaintext,))
    topic, group = f"t-{uuid.uuid4().hex[:12]}", f"g-{uuid.uuid4().hex[:8]}"
    with Admin(settings) as admin:
        admin.create({topic: TopicFacts(1, 1, {})})
    one, until = Partition(topic, 0), time.monotonic() + PATIENCE_S
    with closing(KafkaPython(settings).consumer([topic], group)) as consumer:
        while not consumer.poll(0.1, 1).assigned:
            assert time.monotonic() < until, "nothing is assigned"
        assert consumer.commit({one: Position(0)})
        coordinator = consumer._library._coordinator
        coordinator._assignment_snapshot = {}
        consumer.poll(0.0, 1)
        assert coordinator.rejoining
        time.sleep(1.0)  # the broker answers, and nobody waits for it
        while not consumer.commit({one: Position(0)}):
            assert time.monotonic() < until, "it is no member any more"
            consumer.poll(0.1, 1)
        assert coordinator._heartbeat_enabled
