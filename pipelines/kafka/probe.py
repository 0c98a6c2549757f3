"""Is there a broker, and does it let us in? Asked as a role starts, so that each mistake has its own sentence.

The libraries try for ever, or tell of a wrong port, host, certificate and password in the same words. So this speaks
the first sentences of Kafka's protocol itself: which versions do you speak, is this mechanism yours, is this me.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NoReturn

from kafka.net.sasl import get_sasl_mechanism

from undertow.pipelines.kafka.clients.kafka_python import connection
from undertow.pipelines.kafka.errors import BrokerUnreachableError, CredentialsError, KafkaError, TlsError
from undertow.pipelines.settings import Kafka

__all__ = ["probe"]

PATIENCE_S = 15.0  # for each answer
_METADATA, _HANDSHAKE, _VERSIONS, _AUTHENTICATE = 3, 17, 18, 36  # requests by their numbers in Kafka's protocol
_LARGEST_ANSWER = 10_000_000


def probe(settings: Kafka) -> None:
    """Come in at one of the servers, and leave.

    Raises
    ------
    undertow.pipelines.kafka.errors.BrokerUnreachableError, TlsError, CredentialsError
        None of them lets us in: what the first one said.
    """
    errors: list[KafkaError] = []
    for server in settings.servers:
        try:
            _come_in(server, settings)
        except KafkaError as error:
            errors.append(error)
        else:
            return
    if not errors:
        raise BrokerUnreachableError("[kafka] servers is empty: name a broker, host:port")
    raise errors[0]


def _come_in(server: str, settings: Kafka) -> None:
    with ExitStack() as stack:
        plain = stack.enter_context(_connected(server))
        secured = settings.security_protocol.endswith("SSL")
        line = _Line(stack.enter_context(_tls(plain, server, settings)) if secured else plain, server)
        try:
            line.ask(_VERSIONS, 0)
        except OSError as error:
            _no_answer(server, settings, error)
        if settings.security_protocol.startswith("SASL"):
            _log_in(line, server, settings)
            return
        try:
            line.ask(_METADATA, 4, struct.pack(">i?", 0, False))
        except OSError as error:
            raise CredentialsError(
                f"the broker at {server} wants a user to log in, but security_protocol = {settings.security_protocol}: "
                "set it to SASL_PLAINTEXT or SASL_SSL, with username and password"
            ) from error


def _connected(server: str) -> socket.socket:
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        raise BrokerUnreachableError(f"'{server}' in [kafka] servers is not host:port")
    try:
        return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S)
    except socket.gaierror as error:
        raise BrokerUnreachableError(f"the host of '{server}' in [kafka] servers is not known: {error}") from error
    except (OSError, OverflowError) as error:
        raise BrokerUnreachableError(
            f"no broker answers at {server} ({error}): does it run, and is [kafka] servers right?"
        ) from error


def _tls(plain: socket.socket, server: str, settings: Kafka) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:
        raise TlsError(f"a certificate or key file of [kafka] cannot be read: {error}") from error
    try:
        return context.wrap_socket(plain, server_hostname=server.rpartition(":")[0].strip("[]"))
    except ssl.SSLCertVerificationError as error:
        raise TlsError(
            f"the certificate of the broker at {server} is not trusted ({error.verify_message}): set ca_file in [kafka]"
        ) from error
    except TimeoutError as error:
        raise _silent(server) from error
    except OSError as error:
        raise TlsError(
            f"the broker at {server} does not speak TLS there, but security_protocol = {settings.security_protocol}: "
            "use the port of its TLS listener, or PLAINTEXT or SASL_PLAINTEXT"
        ) from error


def _silent(server: str) -> BrokerUnreachableError:
    return BrokerUnreachableError(
        f"what listens at {server} has not answered for {PATIENCE_S:g} s: is the broker well?"
    )


def _no_answer(server: str, settings: Kafka, error: Exception) -> NoReturn:
    if settings.security_protocol.endswith("SSL"):
        raise TlsError(
            f"the broker at {server} ends the connection after the TLS handshake: it may want certificate_file and "
            "key_file in [kafka]"
        ) from error
    raise TlsError(
        f"what listens at {server} does not answer as a broker without TLS ({error}): use SSL or SASL_SSL as "
        "security_protocol, or another port"
    ) from error


def _log_in(line: _Line, server: str, settings: Kafka) -> None:
    try:
        _authenticate(line, server, settings)
    except OSError as error:
        raise CredentialsError(
            f"the broker at {server} ends the talk in which user '{settings.username}' logs in with "
            f"{settings.sasl_mechanism} ({error}): check username, password and sasl_mechanism in [kafka]"
        ) from error


def _authenticate(line: _Line, server: str, settings: Kafka) -> None:
    wanted = settings.sasl_mechanism
    answer = line.ask(_HANDSHAKE, 1, _text(wanted))
    if answer.number(2):
        offered = ", ".join(answer.texts())
        raise CredentialsError(
            f"the broker at {server} does not know the mechanism {wanted}; it offers {offered}: set sasl_mechanism"
            if offered
            else f"the broker at {server} lets nobody log in there: use PLAINTEXT or SSL as security_protocol, or "
            "another port"
        )
    talk = get_sasl_mechanism(wanted)(host=server.rpartition(":")[0], **connection(settings))
    while not talk.is_done():
        said = talk.auth_bytes()
        answer = line.ask(_AUTHENTICATE, 0, struct.pack(">i", len(said)) + said)
        if answer.number(2):
            raise CredentialsError(
                f"the broker at {server} does not let user '{settings.username}' in with {wanted}: check username and "
                "password in [kafka]"
            )
        answer.text()
        talk.receive(answer.block())


class _Line:
    """Asks and hears, one request at a time."""

    def __init__(self, connected: socket.socket, server: str) -> None:
        self._connected, self._server = connected, server

    def ask(self, request: int, version: int, body: bytes = b"") -> _Answer:
        """Return the answer behind its number."""
        head = struct.pack(">hhi", request, version, 1) + _text("undertow")
        self._connected.sendall(struct.pack(">i", len(head + body)) + head + body)
        try:
            (size,) = struct.unpack(">i", self._heard(4))
            if not 4 <= size <= _LARGEST_ANSWER:
                raise ConnectionError("what it says is not Kafka's protocol")
            return _Answer(self._heard(size)[4:])
        except TimeoutError as error:
            raise _silent(self._server) from error

    def _heard(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            more = self._connected.recv(size - len(heard))
            if not more:
                raise ConnectionError("it closed the connection")
            heard += more
        return heard


class _Answer:
    """Fields of an answer, read in their order."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def number(self, size: int) -> int:
        """Read an integer of so many bytes."""
        return int.from_bytes(self._taken(size), "big", signed=True)

    def text(self) -> str:
        """Read a text; empty for none."""
        return self._taken(max(self.number(2), 0)).decode(errors="replace")

    def block(self) -> bytes:
        """Read bytes."""
        return self._taken(max(self.number(4), 0))

    def texts(self) -> Sequence[str]:
        """Read a list of texts."""
        return [self.text() for _ in range(self.number(4))]

    def _taken(self, size: int) -> bytes:
        taken, self._content = self._content[:size], self._content[size:]
        return taken


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack(">h", len(content)) + content
