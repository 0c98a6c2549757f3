"""The report answers first, escapes everything, and needs nothing but itself."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest

from undertow.dashboards.model import (
    ChangeMark,
    Chart,
    Estimate,
    Example,
    HttpLevel,
    IncidentView,
    Mark,
    Number,
    Period,
    Point,
    Report,
    Row,
    VersionView,
)
from undertow.dashboards.report import render_report

HOSTILE = "</script></title></pre><img src=http://evil.example/x onerror=alert(1)>\"' onload=alert(2) \x1b[31m\u202e"
SHARE = "share of events"


def _chart(text: str, *, changed: bool) -> Chart:
    return Chart(
        title=text,
        metric=text,
        unit=text,
        service=text,
        segment=text,
        points=[Point(float(t), 0.5, 0.4, 0.6, 9) for t in range(0, 600, 10)],
        baseline=Estimate(0.5, 0.4, 0.6, 90),
        change=ChangeMark(300, 290, 310) if changed else None,
        versions=[Mark(200, text)],
    )


def _incident(text: str, **rest: object) -> IncidentView:
    level = Estimate(0.01, 0.008, 0.012, 900)
    row = Row(
        title=text,
        metric=text,
        unit=SHARE,
        where=text,
        before=level,
        after=Estimate(0.3, 0.25, 0.35, 90),
        direction="up",
        events=61,
        seconds=60,
    )
    view = IncidentView(
        id="7f3a91",
        headline=text,
        severity="critical",
        service=text,
        opened_at=360,
        changed_at=300,
        changed_from=290,
        changed_to=310,
        paged_at=390,
        rows=[row],
        http=[HttpLevel(text, SHARE, 0.004, None)],
        causes=[text],
        page_text=text,
    )
    return msgspec.structs.replace(view, **rest)


def _report(text: str) -> Report:
    return Report(
        title=text,
        generated_for=text,
        period=Period(0, 600),
        headline_numbers=[Number(text, text, text)],
        incidents=[_incident(text)],
        charts=[_chart(text, changed=True), _chart(text, changed=False)],
        http=[_chart(text, changed=False)],
        versions=[VersionView(text, text, text, 200, text)],
        examples=[
            Example(when=when, time=1, where=text, input=text, output=text, why=text) for when in ("before", "after")
        ],
        false_page_budget=1.0,
        notes=[text],
    )


EMPTY = Report(title="a", generated_for="b", period=Period(0, 600))


class _Page(HTMLParser):
    """Collects elements with their attributes, and the text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"style", "script"}:
            self.raw[self._within] = data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def test_hostile_text_adds_no_element_and_no_attribute() -> None:
    hostile, harmless = _Page(render_report(_report(HOSTILE))), _Page(render_report(_report("x" * len(HOSTILE))))
    assert [(tag, sorted(attrs)) for tag, attrs in hostile.elements] == [
        (tag, sorted(attrs)) for tag, attrs in harmless.elements
    ]
    assert "\x1b" not in render_report(_report(HOSTILE))


def test_the_page_refers_to_nothing_outside_itself() -> None:
    page = _Page(render_report(_report("text")))
    references = [
        (tag, name, value)
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}
    ]
    assert all(str(value).startswith("#") for _, _, value in references)
    assert not {tag for tag, _ in page.elements} & {"link", "iframe", "img", "object", "embed", "base", "form"}
    assert not re.search(r"url\(|@import|https?://", page.raw["style"] + page.raw["script"])


@pytest.mark.parametrize("part", ["style", "script"])
def test_the_security_policy_allows_exactly_what_is_inline(part: str) -> None:
    page = _Page(render_report(EMPTY))
    policy = next(str(attrs["content"]) for tag, attrs in page.elements if attrs.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.raw[part].encode()).digest()).decode()
    assert f"{part}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not [tag for tag, attrs in page.elements if "style" in attrs]


def test_no_incident_is_an_answer_too() -> None:
    assert "No behaviour change worth a page" in render_report(EMPTY)


def test_one_incident_is_the_headline() -> None:
    text = _Page(render_report(msgspec.structs.replace(EMPTY, incidents=[_incident("refusals tripled")]))).text
    assert text.count("refusals tripled") >= 2
    for said in (
        "00:05:00",
        "1970-01-01 00:04:50 – 00:05:10 UTC",
        "1 min 30 s after the change",
        "1.0 %",
        "30.0 %",
        "+29 points",
    ):
        assert said in text


def test_several_incidents_get_an_overview_with_the_worst_first() -> None:
    incidents = [
        _incident("the small one", id="a", severity="warning", changed_at=100),
        _incident("the bad one", id="b", severity="critical", changed_at=200),
    ]
    page = render_report(msgspec.structs.replace(EMPTY, incidents=incidents))
    assert "2 incidents" in page
    assert page.index('href="#incident-b"') < page.index('href="#incident-a"')
    assert page.index('id="incident-b"') < page.index('id="incident-a"')


def test_http_is_called_green_only_while_it_is() -> None:
    calm = [_chart("latency", changed=False)]
    assert "HTTP metrics: green" in render_report(msgspec.structs.replace(EMPTY, http=calm))
    moved = render_report(msgspec.structs.replace(EMPTY, http=[*calm, _chart("errors", changed=True)]))
    assert "HTTP metrics: green" not in moved
    assert "HTTP metrics moved as well" in moved
    red = _incident("x", http=[HttpLevel("error rate", SHARE, 0.01, 0.4, ok=False)])
    assert "HTTP metrics moved as well" in render_report(msgspec.structs.replace(EMPTY, incidents=[red]))


def test_a_resolved_incident_says_when_and_how() -> None:
    over = _incident("x", resolved_at=900, resolution="recovered")
    text = _Page(render_report(msgspec.structs.replace(EMPTY, incidents=[over]))).text
    assert "recovered" in text
    assert "00:15:00, after 10 min" in text


def test_a_lone_example_keeps_its_side() -> None:
    lone = Example(when="after", time=1, where="support", input="a", output="b" * 2000)
    page = render_report(msgspec.structs.replace(EMPTY, examples=[lone]))
    assert page.index("exchange before none") < page.index('"exchange after"')
    assert "… (800 more characters)" in page


def test_moved_charts_stand_above_steady_ones() -> None:
    charts = [_chart("steady one", changed=False), _chart("moved one", changed=True)]
    page = render_report(msgspec.structs.replace(EMPTY, charts=charts))
    assert page.index("moved one") < page.index("steady one")
    assert "Steady: 1 series" in page


def test_the_same_report_is_the_same_file() -> None:
    assert render_report(_report("text")) == render_report(_report("text"))


def test_joined_windows_are_declared() -> None:
    long = msgspec.structs.replace(_chart("x", changed=True), points=[Point(float(t), 0.5) for t in range(600)])
    assert "a point joins the windows of about 5 s" in render_report(msgspec.structs.replace(EMPTY, charts=[long]))
