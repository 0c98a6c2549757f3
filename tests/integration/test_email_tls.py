"""Mail over TLS: both ways in, and a certificate that nobody vouches for is turned away."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from aiosmtpd.handlers import Message
from alert_samples import change
from mail_server import mail_server

from undertow.alerts.channel import Outcome
from undertow.alerts.channels.email import Email, Security
from undertow.alerts.http import Timeouts

PATIENT = Timeouts(connect_s=60.0, total_s=60.0)


class Keep(Message):
    """Keeps the subjects of what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []

    def handle_message(self, message: object) -> None:
        self.subjects.append(str(message["Subject"]))  # type: ignore[index]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, openssl: str) -> Path:
    """A key and a certificate for 127.0.0.1 in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    command = [openssl, "req", "-x509", *options, *names, "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def attempt(certificate: Path, security: Security, trusted: bool) -> tuple[Outcome, list[str]]:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    options = {"tls": own} if security == "tls" else {"tls_context": own, "require_starttls": True}
    context = ssl.create_default_context(cafile=certificate if trusted else None)
    inbox = Keep()
    with mail_server(inbox, **options) as port:
        channel = Email(
            "127.0.0.1",
            port,
            "undertow@example.org",
            ["oncall@example.org"],
            lambda: 0.0,
            security=security,
            timeouts=PATIENT,
            tls=context,
        )
        return channel.send(change()).outcome, inbox.subjects


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_mail_goes_through_tls_with_a_certificate_that_is_checked(certificate: Path, security: Security) -> None:
    outcome, subjects = attempt(certificate, security, trusted=True)
    assert (outcome, len(subjects)) == (Outcome.DELIVERED, 1)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_nobody_else_gets_it(certificate: Path, security: Security) -> None:
    assert attempt(certificate, security, trusted=False) == (Outcome.RETRY, [])
