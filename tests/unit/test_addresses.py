"""Signed addresses: for one incident, for a month, and not to be guessed."""

from __future__ import annotations

import pytest
from alert_samples import T0, incident

from undertow.alerts.addresses import LASTS_S, Addresses
from undertow.alerts.incident import State
from undertow.alerts.links import Link, Links

ADDRESSES = Addresses("https://undertow.example.com/", b"key")


def parts(address: str) -> tuple[str, str, str]:
    _, key, until, signature = address.removeprefix("https://undertow.example.com/").split("/")
    return key, until, signature


def test_an_address_holds_for_its_incident_until_its_end() -> None:
    key, until, signature = parts(ADDRESSES.address("a1", T0))
    assert ADDRESSES.holds(key, until, signature, T0 + LASTS_S)
    assert not ADDRESSES.holds(key, until, signature, T0 + LASTS_S + 1)


@pytest.mark.parametrize(("part", "value"), [(0, "b2"), (1, "9999999999"), (2, "0" * 32), (2, ""), (2, "é")])
def test_no_part_of_it_can_be_changed(part: int, value: str) -> None:
    made = list(parts(ADDRESSES.address("a1", T0)))
    made[part] = value
    assert not ADDRESSES.holds(made[0], made[1], made[2], now=T0)


def test_another_key_signs_otherwise() -> None:
    assert not Addresses("https://undertow.example.com", b"other").holds(*parts(ADDRESSES.address("a1", T0)), now=T0)


def test_a_page_carries_it_last_while_there_is_something_to_decide() -> None:
    links = Links([Link("Runbook", "https://e.org")], addresses=ADDRESSES)
    report, answer = "Report with charts", "I have it / false alarm / normal now"
    assert [link.text for link in links.of(incident())] == [report, "Runbook", answer]
    assert [link.text for link in links.of(incident(verdicts=[], about="store"))] == [report, "Runbook", answer]
    assert [link.text for link in links.of(incident(state=State.FALSE))] == [report, "Runbook"]
    assert [link.text for link in links.of(incident(verdicts=[]))] == ["Runbook"], "a summary page"


@pytest.mark.parametrize("url", ["undertow.example.com", "ftp://example.com", "https://"])
def test_an_address_that_nobody_could_open_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address; write https://host"):
        Addresses(url, b"key")
