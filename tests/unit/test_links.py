"""Links and pictures: filled and escaped for each incident; a template that cannot be filled is refused."""

from __future__ import annotations

import pytest
from alert_samples import T0, incident

from undertow.alerts.links import Link, Links

GRAFANA = "https://grafana.example.org/d/x?var-service={service}&m={metric}&from={from_ms}&to={to_ms}&e={environment}"


def test_places_are_filled_and_escaped() -> None:
    (link,) = Links([Link("Grafana", GRAFANA)]).of(incident(service="a&b=c/ü"))
    begin, end = int(1000 * (T0 - 140 - 3600)), int(1000 * (T0 + 3600))
    assert link.href == (
        f"https://grafana.example.org/d/x?var-service=a%26b%3Dc%2F%C3%BC&m=refusal_rate&from={begin}&to={end}&e=prod"
    )


def test_times_that_are_none_and_a_page_without_findings_leave_their_places_empty() -> None:
    odd = incident(verdicts=[], changed_from=float("nan"))
    assert Links([Link("x", "https://e.org/{metric}/{from_ms}")]).of(odd)[0].href == "https://e.org//"


@pytest.mark.parametrize(
    ("href", "told"),
    [
        ("https://e.org/{services}", r"has the place \{services\}, which nothing fills"),
        ("https://e.org/{service.__class__}", "which nothing fills"),
        ("https://e.org/{", "cannot be read"),
        ("ftp://e.org/", "does not begin with http:// or https://"),
        ("javascript:alert(1)", "does not begin with"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(href: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Links([Link("x", href)])


def test_pictures_are_https_only() -> None:
    with pytest.raises(ValueError, match="does not begin with https://"):
        Links(images=[Link("x", "http://e.org/x.png")])
    assert Links(images=[Link("x", "https://e.org/{id}.png")]).images_of(incident())[0].href.endswith("0.png")
