"""What can be wrong between here and a broker, named for what somebody has to mend; each message is one sentence.

KafkaError
├── BrokerUnreachableError   the address, the network or the broker
├── TlsError                 one side speaks TLS and the other does not, or does not trust it
├── CredentialsError         name, password or mechanism
├── TopicError               a topic is missing or cannot work
├── ClientMissingError       the client library is not installed
├── RunnerMissingError       the library of the runner is not installed
├── MessageTooLargeError     more bytes than the topic takes
├── DeliveryError            the broker did not acknowledge; sending again is safe
├── LostStateError           what a role must go on from is no longer kept
└── StalledError             there is work and no progress; starting again is safe
"""

from __future__ import annotations

__all__ = [
    "BrokerUnreachableError",
    "ClientMissingError",
    "CredentialsError",
    "DeliveryError",
    "KafkaError",
    "LostStateError",
    "MessageTooLargeError",
    "RunnerMissingError",
    "StalledError",
    "TlsError",
    "TopicError",
]


class KafkaError(RuntimeError):
    """Something between here and the broker is not as it must be."""


class BrokerUnreachableError(KafkaError):
    """Nobody answers at the address, or what answers is no broker."""


class TlsError(KafkaError):
    """One side speaks TLS and the other does not, or a certificate is not trusted."""


class CredentialsError(KafkaError):
    """The broker does not let this user in."""


class TopicError(KafkaError):
    """A topic is missing, or is set up so that it would lose data."""


class ClientMissingError(KafkaError):
    """The chosen client library is not installed."""


class RunnerMissingError(KafkaError):
    """What the chosen runner needs is not installed."""


class MessageTooLargeError(KafkaError):
    """A message for a topic has more bytes than allowed."""

    def __init__(self, topic: str, size: int, largest: int) -> None:
        super().__init__(
            f"a message of {size} bytes for {topic} is larger than max_message_bytes = {largest} in [kafka]; raise it "
            "there and run `undertow topics`, or watch fewer dimensions"
        )


class DeliveryError(KafkaError):
    """The broker did not acknowledge what was sent. Sending it again is safe: receivers know a message by its place."""


class LostStateError(KafkaError):
    """What a role must go on from is no longer kept: the messages behind its last state, or the state."""


class StalledError(KafkaError):
    """There is work and no progress. Whoever supervises the process starts it again."""
