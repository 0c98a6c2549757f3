"""The composer of `undertow store`."""

from __future__ import annotations

from collections.abc import Mapping

from undertow.pipelines.clickhouse import Store
from undertow.pipelines.kafka.block_sink import BlockSink, SinkMeter
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.running import Build
from undertow.pipelines.kafka.store_role import StoreRole
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings, SettingsError

__all__ = ["storing"]


def storing(*, migrate: bool = False) -> Build:
    """Return what builds the role on the ClickHouse server of the settings.

    It raises `SettingsError` when they name none, and `StoreError` when the server does not answer, refuses the
    password, or has tables of another version.

    Parameters
    ----------
    migrate
        First make the tables, or bring them to this version.
    """

    def build(settings: Settings, topics: Mapping[str, TopicFacts], _client: Client, meter: LoopMeter) -> StoreRole:
        if not settings.store.url:
            raise SettingsError(
                "`undertow store` writes to a ClickHouse server: set url in [store], http(s)://user@host:8123/database"
            )
        names, own = Names.of(settings.kafka), SinkMeter(meter.registry)
        store = Store.open(settings.store, settings.folder, migrating=migrate)
        return StoreRole(names, BlockSink(store, own), own.lost.inc, topics[names.dead].partitions, store.close)

    return build
