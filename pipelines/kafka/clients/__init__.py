"""The libraries that fill the contract of `undertow.pipelines.kafka.client`, by the name that the settings give them.

A library is imported when it is chosen: the second one is an extra that need not be installed.
"""

from __future__ import annotations

from importlib import import_module

from undertow.pipelines.kafka.client import Client
from undertow.pipelines.kafka.errors import ClientMissingError
from undertow.pipelines.settings import Kafka

__all__ = ["CLIENTS", "client_of"]

CLIENTS = {  # name → module, extra of Undertow that installs it
    "kafka-python": ("kafka_python", "kafka"),
    "confluent-kafka": ("confluent", "confluent"),
}


def client_of(settings: Kafka) -> Client:
    """Return the chosen client.

    Raises
    ------
    undertow.pipelines.kafka.errors.ClientMissingError
        Its library is not installed.
    """
    module, extra = CLIENTS[settings.client]
    try:
        found = import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        raise ClientMissingError(
            f"the Kafka client {settings.client} is not installed: pip install 'undertow[{extra}]'"
        ) from error
    client: Client = found.build(settings)
    return client
