"""Every channel that speaks HTTP against every status and every way in which a network fails."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from alert_samples import change

from undertow.alerts.channel import Channel, Delivery, Outcome
from undertow.alerts.channels import CHANNELS
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.channels.webhook import Webhook
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import ChangeKind

KEY = "0123456789abcdef-secret-89abcdef"
NOW = 1_790_000_000.0
QUICK = Timeouts(connect_s=0.1, total_s=0.15)  # where the answer never comes
PATIENT = Timeouts(connect_s=5.0, total_s=10.0)  # where it does, on a busy machine

BUILD: dict[str, Callable[[str, Timeouts], Channel]] = {
    "pagerduty": lambda url, timeouts: PagerDuty(KEY, lambda: NOW, url, timeouts),
    "webhook": lambda url, timeouts: Webhook(f"{url}/{KEY}", lambda: NOW, KEY, timeouts),
}
WITHOUT_HTTP = {"console"}

DELIVERED, RETRY, REFUSED = Outcome.DELIVERED, Outcome.RETRY, Outcome.REFUSED
NOT_NOW = {408, 425, 429}
STATUSES = [
    *(200, 201, 202, 204, 301, 302, 307),
    *(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 425, 429, 451),
    *(500, 501, 502, 503, 504, 520, 599),
]


def expected(name: str, status: int) -> Outcome:
    """The table: accepted, final, or not now."""
    if status == 202 or (200 <= status < 300 and name == "webhook"):
        return DELIVERED
    return REFUSED if 400 <= status < 500 and status not in NOT_NOW else RETRY


@contextmanager
def server(answer: Callable[[socket.socket], None], read: bool = True) -> Iterator[str]:
    """A loopback server that reads one request and then does as told with the raw connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            if read:
                _request(connection)
            answer(connection)
            done.wait(2)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        thread.join()
        listener.close()


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def respond(status: int, body: bytes = b"{}", *headers: str) -> Callable[[socket.socket], None]:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close", *headers]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return lambda connection: connection.sendall(head if status == 204 else head + body)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(connection: socket.socket) -> None:
    """Send an acceptance byte by byte: no single read times out, and the whole takes far too long."""
    try:
        for byte in b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.02)
    except OSError:  # the caller has left, which is the point
        return


def silence(_: socket.socket) -> None:
    """Keep the connection open and say nothing."""


def attempt(
    name: str,
    answer: Callable[[socket.socket], None],
    read: bool = True,
    timeouts: Timeouts = PATIENT,
    kind: ChangeKind = ChangeKind.TRIGGER,
) -> Delivery:
    with server(answer, read) as url:
        return BUILD[name](url, timeouts).send(change(kind))


def test_the_table_covers_every_channel() -> None:
    assert set(BUILD) | WITHOUT_HTTP == set(CHANNELS)
    assert all(CHANNELS[name].name == name for name in CHANNELS)


@pytest.mark.parametrize("name", BUILD)
class TestEveryChannel:
    @pytest.mark.parametrize("status", STATUSES)
    def test_status(self, name: str, status: int) -> None:
        answer = attempt(name, respond(status))
        assert answer.outcome is expected(name, status)
        assert answer.detail or answer.outcome is DELIVERED

    @pytest.mark.parametrize(
        ("failure", "read"),
        [(silence, True), (silence, False), (reset, True), (reset, False), (drip, True), (lambda c: c.close(), True)],
        ids=["timeout", "half-open", "reset after the request", "reset before it", "drip", "closed without an answer"],
    )
    def test_a_failing_network_is_not_now(
        self, name: str, failure: Callable[[socket.socket], None], read: bool
    ) -> None:
        assert attempt(name, failure, read, QUICK).outcome is RETRY

    def test_nobody_listens(self, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert BUILD[name](url, QUICK).send(change()).outcome is RETRY

    def test_what_is_not_http_is_not_now(self, name: str) -> None:
        greeting = b"SSH-2.0-OpenSSH_9.2\r\n"
        assert attempt(name, lambda c: c.sendall(greeting), timeouts=QUICK).outcome is RETRY

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("37", 37.0), ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0), ("soon", None), ("-5", 0.0), ("inf", None)],
    )
    def test_retry_after(self, name: str, header: str, seconds: float | None) -> None:
        assert attempt(name, respond(429, b"{}", f"Retry-After: {header}")).retry_after_s == seconds

    def test_an_answer_that_breaks_off_still_has_its_status(self, name: str) -> None:
        def broken(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999\r\n\r\n{")
            connection.shutdown(socket.SHUT_WR)

        assert attempt(name, broken).outcome is REFUSED

    def test_an_answer_without_end_is_not_read_to_its_end(self, name: str) -> None:
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9999\r\n\r\n"
        endless = attempt(name, lambda c: c.sendall(head + b"x" * 1000), timeouts=Timeouts(total_s=1.5))
        assert endless.outcome is REFUSED

    def test_a_long_answer_is_cut(self, name: str) -> None:
        assert len(attempt(name, respond(400, b"x" * 2_000_000)).detail) < 600

    def test_no_secret_in_what_is_said(self, name: str) -> None:
        echo = respond(400, f"your key {KEY} is wrong".encode())
        channel = BUILD[name]("http://127.0.0.1:1", QUICK)
        said = [attempt(name, echo).detail, channel.send(change()).detail, repr(channel), str(channel)]
        assert all(said)
        assert not [text for text in said if KEY in text]

    @pytest.mark.parametrize("kind", ChangeKind)
    def test_a_repeat_carries_the_same_dedup_key(self, name: str, kind: ChangeKind) -> None:
        bodies: list[bytes] = []

        def keep(connection: socket.socket) -> None:
            bodies.append(_request(connection))
            respond(202)(connection)

        for _ in range(2):
            attempt(name, keep, read=False, kind=kind)
        assert all(f'"dedup_key":"undertow/{change().incident.id}"'.encode() in body for body in bodies)

    @pytest.mark.parametrize("url", ["", "ftp://example.org", "https://", "http://[::1"])
    def test_a_url_that_is_none_is_refused_when_it_is_configured(self, name: str, url: str) -> None:
        with pytest.raises(ValueError, match="write https://host/path"):
            BUILD[name](url, QUICK)
