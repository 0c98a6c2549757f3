"""A broker that ends the talk in the middle of a log-in: named, with a way out, and the next one is asked."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from undertow.pipelines.kafka.errors import CredentialsError
from undertow.pipelines.kafka.probe import probe
from undertow.pipelines.settings import Kafka


class Rude(socketserver.StreamRequestHandler):
    """Says which versions it speaks, hears the next question, and hangs up."""

    def handle(self) -> None:
        self._heard()
        self.wfile.write(struct.pack(">iii", 8, 1, 0))
        self._heard()
        self.server.hung_up += 1  # type: ignore[attr-defined]

    def _heard(self) -> bytes:
        return self.rfile.read(*struct.unpack(">i", self.rfile.read(4)))


class Server(socketserver.TCPServer):
    """One of them."""

    hung_up = 0


@contextmanager
def _served() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Rude) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_broker_that_hangs_up_while_we_log_in_is_named_and_the_next_is_asked() -> None:
    with ExitStack() as opened:
        both = [opened.enter_context(_served()) for _ in range(2)]
        first, second = (f"127.0.0.1:{one.server_address[1]}" for one in both)
        kafka = Kafka(servers=(first, second), security_protocol="SASL_PLAINTEXT", username="anna", password="x")  # noqa: S106
        with pytest.raises(
            CredentialsError, match=rf"^the broker at {first} ends the talk .* 'anna' .*: check username"
        ):
            probe(kafka)
    assert [one.hung_up for one in both] == [1, 1]
