"""E-mail by SMTP: one message for each change, all of an incident in one thread.

The Message-ID is that of the change, so that a message sent twice, as its answer was lost, is shown once; the
References of all but the first name the incident. A 4xx of the server means later, a 5xx never.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from undertow.alerts.body import cut
from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.chart import chart
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import Change
from undertow.alerts.links import Links
from undertow.alerts.text import message

__all__ = ["Email", "Security"]

Security = Literal["starttls", "tls", "none"]

SUBJECT_LIMIT = 200
BODY_LIMIT = 200_000  # characters
ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")


class Email:
    """Sends to fixed addresses through one mail server.

    Parameters
    ----------
    host, port
        The mail server.
    sender, to
        Plain addresses.
    clock
        Wall clock in seconds since the epoch, for the date of messages.
    user, password
        Log in with these when `user` is not empty; the password is never shown.
    security
        "starttls" (a server without it is refused), "tls" from the first byte on, or "none".
    links
        What to link to.
    timeouts
        How long to wait for the connection, and for the whole.
    tls
        Another choice of trusted authorities than the system's.

    Raises
    ------
    ValueError
        An address is none, nobody is addressed, or a password would cross the network in the clear.

    Examples
    --------
    >>> Email("mail.example.org", 587, "undertow@example.org", ["oncall@example.org"], clock=lambda: 0.0)
    Email('mail.example.org:587', to=1)
    """

    name = "email"

    def __init__(
        self,
        host: str,
        port: int,
        sender: str,
        to: Sequence[str],
        clock: Callable[[], float],
        user: str = "",
        password: str = "",
        security: Security = "starttls",
        links: Links | None = None,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        for address in (sender, *to):
            if not ADDRESS.fullmatch(address):
                raise ValueError(f"'{address}' is not a plain e-mail address; write name@example.org")
        if not to:
            raise ValueError("an e-mail channel needs at least one address in `to`")
        if user and security == "none":
            raise ValueError("a password would cross the network in the clear; set security to 'starttls' or 'tls'")
        self._where = (host, port)
        self._sender, self._to = sender, tuple(to)
        self._clock = clock
        self._user, self._password, self._security = user, password, security
        self._links = links or Links()
        self._timeouts = timeouts or Timeouts()
        self._tls = tls

    def __repr__(self) -> str:
        return f"Email('{self._server}', to={len(self._to)})"

    def send(self, change: Change) -> Delivery:
        """Make one attempt."""
        try:
            left_out = self._deliver(self._mail(change))
        except smtplib.SMTPResponseException as error:
            return self._answered(error.smtp_code, error.smtp_error)
        except smtplib.SMTPRecipientsRefused as error:
            return self._answered(*_mildest(error.recipients))
        except smtplib.SMTPNotSupportedError as error:
            return Delivery(Outcome.REFUSED, f"{self._server}: {error}")
        except (smtplib.SMTPException, OSError) as error:
            return Delivery(Outcome.RETRY, f"no answer from {self._server}: {type(error).__name__}")
        return Delivery(Outcome.DELIVERED, f"{left_out} of {len(self._to)} recipients were refused" if left_out else "")

    @property
    def _server(self) -> str:
        return f"{self._where[0]}:{self._where[1]}"

    def _deliver(self, mail: EmailMessage) -> int:
        """Hand the message over and return how many recipients were refused; somebody has it."""
        with self._connected() as server:
            if self._security == "starttls":
                server.starttls(context=self._context())
            if self._user:
                server.login(self._user, self._password)
            refused = server.send_message(mail, self._sender, self._to)
        return len(refused)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Connect; what is not over at the end of the total time is cut off, however slowly it drips."""
        server = self._client()
        deadline = threading.Timer(self._timeouts.total_s, _cut_off, [server])
        deadline.daemon = True
        deadline.start()
        try:
            code, said = server.connect(*self._where)
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            yield server
            _leave(server)
        finally:
            deadline.cancel()
            server.close()

    def _client(self) -> smtplib.SMTP:
        """Return a client that is not connected yet, but knows the name that a certificate must bear."""
        if self._security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(timeout=self._timeouts.total_s, context=self._context())
        else:
            client = smtplib.SMTP(timeout=self._timeouts.total_s)
        client._host = self._where[0]  # type: ignore[attr-defined]  # noqa: SLF001 – set only by a constructor that connects at once
        return client

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _mail(self, change: Change) -> EmailMessage:
        incident, domain = change.incident, self._sender.rpartition("@")[2]
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Subject"] = cut(f"[{_what(change)}] {' '.join(incident.headline.split())}", SUBJECT_LIMIT)
        mail["Date"] = formatdate(self._clock())
        mail["Message-ID"] = f"<undertow.{change.id}@{domain}>"
        mail["References"] = f"<undertow.{incident.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # answering machines leave it alone
        links = [f"{link.text}: {link.href}" for link in self._links.of(incident)]
        drawn = chart(incident) if change.kind.notifies else []
        parts = [message(change), "\n".join(drawn), "\n".join(links)]
        mail.set_content(cut("\n\n".join(part for part in parts if part), BODY_LIMIT))
        return mail

    def _answered(self, code: int, said: bytes | str) -> Delivery:
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        for secret in filter(None, (self._password, self._user)):
            words = words.replace(secret, "***")
        outcome = Outcome.REFUSED if 500 <= code < 600 else Outcome.RETRY
        return Delivery(outcome, cut(f"{self._server} answered {code}: {' '.join(words.split())}", 600))


def _what(change: Change) -> str:
    return str(change.incident.severity if change.kind.notifies else change.kind).upper()


def _mildest(refusals: dict[str, tuple[int, bytes]]) -> tuple[int, bytes]:
    """Return the answer about the recipient with the best prospects: if one may be taken later, all come back."""
    return min(refusals.values(), key=lambda answer: answer[0])


def _cut_off(server: smtplib.SMTP) -> None:
    sock = getattr(server, "sock", None)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended by itself
            return


def _leave(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):  # the message was taken before; a missing farewell changes nothing
        return
