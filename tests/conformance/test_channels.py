"""One table over all channels: every HTTP status, every way in which a network fails, and answers of somebody else."""

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
from undertow.alerts.channels.alertmanager import Alertmanager
from undertow.alerts.channels.apprise import Apprise
from undertow.alerts.channels.email import Email
from undertow.alerts.channels.pagerduty import PagerDuty
from undertow.alerts.channels.slack import Slack
from undertow.alerts.channels.webhook import Webhook
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import ChangeKind

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own

KEY = "0123456789abcdef-secret-89abcdef"
NOW = 1_790_000_000.0
QUICK = Timeouts(connect_s=0.1, total_s=0.15)  # where the answer never comes
PATIENT = Timeouts(connect_s=60.0, total_s=60.0)  # where it does, on a busy machine

# Those that post through `alerts/http.py`, those that speak HTTP in their own way, and those that speak to a network.
Build = Callable[[str, Timeouts], Channel]
POSTERS: dict[str, Build] = {
    "pagerduty": lambda url, timeouts: PagerDuty(KEY, lambda: NOW, url, timeouts=timeouts),
    "webhook": lambda url, timeouts: Webhook(f"{url}/{KEY}", lambda: NOW, KEY, timeouts=timeouts),
    "alertmanager": lambda url, timeouts: Alertmanager([f"{url}/{KEY}"], lambda: NOW, timeouts=timeouts),
    "slack": lambda url, timeouts: Slack(f"{url}/{KEY}", lambda: NOW, timeouts=timeouts),
}
SPEAK_HTTP: dict[str, Build] = POSTERS | {
    "apprise": lambda url, timeouts: Apprise(f"{url.replace('http', 'json')}/{KEY}", timeouts=timeouts),
}
NETWORKED: dict[str, Build] = SPEAK_HTTP | {
    "email": lambda url, timeouts: Email(
        "127.0.0.1",
        int(url.rpartition(":")[2]),
        "undertow@example.org",
        ["oncall@example.org"],
        lambda: NOW,
        user="undertow",
        password=KEY,
        timeouts=timeouts,
    ),
}
WITHOUT_NETWORK = {"console"}

DELIVERED, RETRY, REFUSED = Outcome.DELIVERED, Outcome.RETRY, Outcome.REFUSED
NOT_NOW = {408, 425, 429}
STATUSES = [
    *(200, 201, 202, 204, 301, 302, 307),
    *(400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 425, 429, 451),
    *(500, 501, 502, 503, 504, 520, 599),
]
SUCCESSES = {status for status in STATUSES if status < 300}
ACCEPTING = {  # which statuses mean taken, and what the other side says with them
    "pagerduty": ({202}, b'{"status":"success"}'),
    "webhook": (SUCCESSES, b""),
    "alertmanager": ({200}, b""),
    "slack": ({200}, b"ok"),
    "apprise": (SUCCESSES, b""),
}


def expected(name: str, status: int) -> Outcome:
    """The table: accepted, final, or not now. The apprise library does not tell final from not now."""
    if status in ACCEPTING[name][0]:
        return DELIVERED
    return REFUSED if 400 <= status < 500 and status not in NOT_NOW and name != "apprise" else RETRY


@contextmanager
def server(answer: Callable[[socket.socket], None], read: bool = True, calls: int = 1) -> Iterator[str]:
    """A loopback server that reads each request and then does as told with the raw connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        for call in range(1, calls + 1):
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody called
                return
            with connection:
                if read:
                    _request(connection)
                answer(connection)
                if call == calls:
                    done.wait(2)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _request(connection: socket.socket) -> bytes:
    """Read one request; what there was of it, when the caller left in the middle."""
    received = b""
    while b"\r\n\r\n" not in received and (more := _more(connection)):
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = int((head.lower() + b"content-length:0").split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length and (more := _more(connection)):
        body += more
    return body


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


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
    calls = 2 if name == "pagerduty" and kind is ChangeKind.ESCALATE else 1  # a new alert, and the end of the old one
    with server(answer, read, calls) as url:
        return NETWORKED[name](url, timeouts).send(change(kind))


def test_the_table_covers_every_channel() -> None:
    assert set(NETWORKED) | WITHOUT_NETWORK == set(CHANNELS)
    assert all(CHANNELS[name].name == name for name in CHANNELS)


@pytest.mark.parametrize("name", SPEAK_HTTP)
class TestEveryChannelThatSpeaksHttp:
    @pytest.mark.parametrize("status", STATUSES)
    def test_status(self, name: str, status: int) -> None:
        answer = attempt(name, respond(status, ACCEPTING[name][1]))
        assert answer.outcome is expected(name, status)
        assert answer.detail or answer.outcome is DELIVERED

    @pytest.mark.parametrize("kind", ChangeKind)
    def test_a_repeat_says_the_same_and_names_its_incident(self, name: str, kind: ChangeKind) -> None:
        bodies: list[bytes] = []

        def keep(connection: socket.socket) -> None:
            bodies.append(_request(connection))
            respond(202)(connection)

        for _ in range(2):
            attempt(name, keep, read=False, kind=kind)
        half = len(bodies) // 2
        assert bodies[:half] == bodies[half:]
        assert all(change().incident.id.encode() in body for body in bodies)


@pytest.mark.parametrize("name", NETWORKED)
class TestEveryNetworkedChannel:
    @pytest.mark.parametrize(
        ("failure", "read"),
        [(silence, True), (silence, False), (reset, True), (reset, False), (drip, True), (lambda c: c.close(), True)],
        ids=["timeout", "half-open", "reset after the request", "reset before it", "drip", "closed without an answer"],
    )
    def test_a_failing_network_is_not_now(
        self, name: str, failure: Callable[[socket.socket], None], read: bool
    ) -> None:
        assert attempt(name, failure, read and name != "email", QUICK).outcome is RETRY  # SMTP's server speaks first

    def test_nobody_listens(self, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert NETWORKED[name](url, QUICK).send(change()).outcome is RETRY

    def test_another_protocol_is_not_now(self, name: str) -> None:
        greeting = b"SSH-2.0-OpenSSH_9.2\r\n"
        assert attempt(name, lambda c: c.sendall(greeting), name != "email", QUICK).outcome is RETRY

    def test_no_secret_in_what_is_said(self, name: str) -> None:
        echo = f"your key {KEY} is wrong"
        answer = smtp(f"554 {echo}") if name == "email" else respond(400, echo.encode())
        channel = NETWORKED[name]("http://127.0.0.1:1", QUICK)
        said = [attempt(name, answer, name != "email").detail, channel.send(change()).detail, repr(channel)]
        assert all(said)
        assert not [text for text in said if KEY in text]


def smtp(greeting: str) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(f"{greeting}\r\n".encode())


@pytest.mark.parametrize("name", POSTERS)
class TestEveryPoster:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("37", 37.0), ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0), ("soon", None), ("-5", 0.0), ("inf", None)],
    )
    def test_retry_after(self, name: str, header: str, seconds: float | None) -> None:
        assert attempt(name, respond(429, b"{}", f"Retry-After: {header}")).retry_after_s == seconds

    def test_a_redirect_is_not_followed(self, name: str) -> None:
        """Whoever answers there would get the key."""
        elsewhere: list[socket.socket] = []
        with server(elsewhere.append) as other:
            answer = attempt(name, respond(307, b"", f"Location: {other}/v2/enqueue"))
        assert (answer.outcome, elsewhere) == (RETRY, [])

    def test_an_answer_that_breaks_off_still_has_its_status(self, name: str) -> None:
        def broken(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999\r\n\r\n{")
            connection.shutdown(socket.SHUT_WR)

        assert attempt(name, broken).outcome is REFUSED

    def test_an_answer_without_end_is_not_read_to_its_end(self, name: str) -> None:
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9999\r\n\r\n"
        endless = attempt(name, lambda c: c.sendall(head + b"x" * 1000))
        assert endless.outcome is REFUSED

    def test_a_long_answer_is_cut(self, name: str) -> None:
        assert len(attempt(name, respond(400, b"x" * 2_000_000)).detail) < 600

    @pytest.mark.parametrize("url", ["", "ftp://example.org", "https://", "http://[::1"])
    def test_a_url_that_is_none_is_refused_when_it_is_configured(self, name: str, url: str) -> None:
        with pytest.raises(ValueError, match="write https://host/path"):
            POSTERS[name](url, QUICK)


LOGIN = b"<!DOCTYPE html><title>Sign in to the network</title>"


@pytest.mark.parametrize(
    ("name", "body"),
    [("alertmanager", LOGIN), ("slack", LOGIN), ("slack", b"no_team"), ("slack", b""), ("pagerduty", LOGIN)],
)
def test_a_success_in_somebody_else_s_words_is_not_now(name: str, body: bytes) -> None:
    """A proxy's log-in page comes with status 200."""
    assert attempt(name, respond(200, body)).outcome is RETRY


@pytest.mark.parametrize("name", ["alertmanager", "slack"])
def test_a_success_whose_body_does_not_come_is_not_now(name: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert attempt(name, lambda c: c.sendall(head), timeouts=Timeouts(total_s=0.3)).outcome is RETRY
