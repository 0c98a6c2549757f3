"""The composer of `undertow store`."""

from __future__ import annotations

from collections.abc import Mapping

from undertow.pipelines.clickhouse import Store
from undertow.pipelines.kafka.block_sink import BlockSink, SinkMeter
from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.running import run_until_signal
from undertow.pipelines.kafka.store_role import StoreRole
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings, SettingsError

__all__ = ["run_store"]


def run_store(settings: Settings, *, migrate: bool = False) -> None:
    """Write blocks of rows into the ClickHouse server of the settings until SIGTERM or SIGINT.

    Parameters
    ----------
    migrate
        First make the tables, or bring them to this version.

    Raises
    ------
    SettingsError
        The settings name no server.
    undertow.pipelines.clickhouse.StoreError
        The server does not answer, refuses the password, or its tables are of another version.
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, or a topic cannot work.
    """
    if not settings.store.url:
        raise SettingsError(
            "`undertow store` writes to a ClickHouse server: set url in [store], http(s)://user@host:8123/database"
        )
    with Store.open(settings.store, settings.folder, migrating=migrate) as store:

        def role(where: Settings, topics: Mapping[str, TopicFacts], _client: Client, shown: LoopMeter) -> StoreRole:
            names, meter = Names.of(where.kafka), SinkMeter(shown.registry)
            return StoreRole(names, BlockSink(store, meter), meter.lost.inc, topics[names.dead].partitions)

        run_until_signal(settings, "store", role)
