"""What groups have committed, as a real broker tells it to who is no member."""

import uuid
from contextlib import closing

from kafka_broker import Addresses

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Partition, Position
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.lag import committed
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka


def test_what_a_group_has_committed_is_known_outside_of_it(kafka_addresses: Addresses) -> None:
    prefix = f"u{uuid.uuid4().hex[:8]}"
    settings = Kafka(servers=(kafka_addresses.plaintext,), prefix=prefix, events=f"{prefix}.events")
    assert committed(settings) == {"worker": {}, "detect": {}, "pager": {}, "store": {}}
    with Admin(settings) as admin:
        admin.create({settings.events: TopicFacts(2, 1, {})})
    second = Partition(settings.events, 1)
    with closing(client_of(settings).consumer([settings.events], f"{prefix}-worker")) as member:
        came: list[Partition] = []
        while second not in came:
            came += member.poll(0.1, 1).assigned
        assert member.commit({second: Position(0)})
        assert committed(settings)["worker"] == {second: 0}
