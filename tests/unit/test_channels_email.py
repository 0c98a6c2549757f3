"""E-mail: messages as the standards want them, through a real SMTP server that answers as it is told."""

from __future__ import annotations

import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from alert_samples import change
from mail_server import mail_server

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.channels.email import Email
from undertow.alerts.http import Timeouts
from undertow.alerts.incident import Change, ChangeKind
from undertow.alerts.links import Link, Links

PASSWORD = "pa55word"  # noqa: S105 – opens nothing
TO = ["oncall@example.org", "lead@example.org"]
PATIENT = Timeouts(connect_s=60.0, total_s=60.0)


class Inbox:
    """Keeps what it takes; each of its answers can be ordered."""

    def __init__(self, recipients: dict[str, str] | None = None, data: str = "250 OK", sender: str = "250 OK") -> None:
        self.mails: list[EmailMessage] = []
        self.recipients, self.data, self.sender = recipients or {}, data, sender

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        envelope.mail_from = address
        return self.sender

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return self.data


def email(port: int, **more: Any) -> Email:
    values: dict[str, Any] = {"security": "none", "timeouts": PATIENT} | more
    return Email("127.0.0.1", port, "undertow@example.org", TO, lambda: 1_790_000_000.0, **values)


def sent(*changes: Change, links: Links | None = None) -> list[EmailMessage]:
    inbox = Inbox()
    with mail_server(inbox) as port:
        channel = email(port, links=links)
        assert {channel.send(c).outcome for c in changes} == {Outcome.DELIVERED}
    return inbox.mails


def test_a_page_in_a_mail() -> None:
    (mail,) = sent(change(), links=Links([Link("Runbook", "https://e.org/{service}")]))
    assert mail["Subject"] == f"[ERROR] {change().incident.headline}"
    assert (mail["From"], mail["To"]) == ("undertow@example.org", "oncall@example.org, lead@example.org")
    assert mail["Date"] == "Mon, 21 Sep 2026 14:13:20 -0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content().replace("\r\n", "\n")
    assert "suspects  prompt_version=v48" in text
    assert "answers that refuse\n  before ███" in text
    assert text.rstrip().endswith("Runbook: https://e.org/support")


def test_all_of_an_incident_is_one_thread_and_a_repeat_is_the_same_message() -> None:
    first, again, last, other = sent(change(), change(), change(ChangeKind.RESOLVE, revision=2), change(number=1))
    assert first["Message-ID"] == again["Message-ID"] == "<undertow.0000000000000000.1@example.org>"
    assert last["Message-ID"] != first["Message-ID"]
    assert first["References"] == last["References"] == "<undertow.0000000000000000@example.org>"
    assert other["References"] != first["References"]
    assert last["Subject"].startswith("[RESOLVE] ")


def test_no_header_can_be_smuggled_in_and_a_long_subject_is_cut() -> None:
    (mail,) = sent(change(headline="x\r\nBcc: everybody@example.org\n" + "y" * 900))
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) == 200


def test_odd_letters_arrive() -> None:
    (mail,) = sent(change(headline="支持/prod: отказы 2 % → 11 % \ud800".encode("utf-8", "replace").decode()))
    assert "支持/prod: отказы 2 % → 11 %" in mail["Subject"]


@pytest.mark.parametrize(
    ("inbox", "outcome", "told"),
    [
        (Inbox(data="451 local error"), Outcome.RETRY, "answered 451: local error"),
        (Inbox(data="452 no space"), Outcome.RETRY, "answered 452"),
        (Inbox(data="554 looks like spam"), Outcome.REFUSED, "answered 554: looks like spam"),
        (Inbox(sender="421 closing"), Outcome.RETRY, "answered 421"),
        (Inbox(sender="550 no such sender"), Outcome.REFUSED, "answered 550"),
        (Inbox({TO[0]: "550 unknown", TO[1]: "550 unknown"}), Outcome.REFUSED, "answered 550: unknown"),
        (Inbox({TO[0]: "550 unknown", TO[1]: "450 greylisted"}), Outcome.RETRY, "answered 450: greylisted"),
        (Inbox({TO[0]: "550 unknown"}), Outcome.DELIVERED, "1 of 2 recipients were refused"),
    ],
)
def test_what_the_server_answers(inbox: Inbox, outcome: Outcome, told: str) -> None:
    with mail_server(inbox) as port:
        answer = email(port).send(change())
    assert answer.outcome is outcome
    assert told in answer.detail


def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        answer = email(port, security="starttls", user="undertow", password=PASSWORD).send(change())
    assert answer.outcome is Outcome.REFUSED
    assert "STARTTLS" in answer.detail
    assert inbox.mails == []


def test_a_wrong_password_is_final_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False, message="535 pa55word is wrong")

    monkeypatch.setattr(smtplib.SMTP, "starttls", lambda *_, **__: None)  # a certificate is another test's matter
    with mail_server(Inbox(), authenticator=check, auth_require_tls=False) as port:
        channel = email(port, security="starttls", user="undertow", password=PASSWORD)
        answer = channel.send(change())
    assert answer.outcome is Outcome.REFUSED
    assert "535" in answer.detail
    assert "pa55word" not in answer.detail + repr(channel)


def test_the_right_password_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def check(_: SMTP, __: Session, ___: Envelope, ____: str, data: object) -> AuthResult:
        seen.append(data)
        return AuthResult(success=True, handled=False)

    monkeypatch.setattr(smtplib.SMTP, "starttls", lambda *_, **__: None)
    with mail_server(Inbox(), authenticator=check, auth_require_tls=False) as port:
        answer = email(port, security="starttls", user="undertow", password=PASSWORD).send(change())
    assert answer == Delivery(Outcome.DELIVERED)
    assert seen == [LoginPassword(b"undertow", b"pa55word")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"to": []}, "at least one address"),
        ({"to": ["On Call <oncall@example.org>"]}, "is not a plain e-mail address"),
        ({"sender": "undertow"}, "'undertow' is not a plain e-mail address"),
        ({"sender": "a@b.org\r\nBcc: c@d.org"}, "is not a plain e-mail address"),
        ({"user": "u", "security": "none"}, "would cross the network in the clear"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_configured(more: dict[str, Any], told: str) -> None:
    values: dict[str, Any] = {"host": "h", "port": 25, "sender": "a@b.org", "to": TO, "clock": lambda: 0.0}
    with pytest.raises(ValueError, match=told):
        Email(**(values | more))
