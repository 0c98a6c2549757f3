"""The report in a real browser: it shows, runs no text of the traffic, and asks the network for nothing.

`python tests/integration/test_report_browser.py FILE.html` writes the sample report that these tests look at.
"""

import html
import math
import random
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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

START = 1_700_049_600.0
END = START + 3600
CHANGED = START + 2190
DETECTED = CHANGED + 60
WINDOW = 20.0
SHARE = "share of events"

PAGE = """support: 31 % of answers break their JSON Schema, was 0.6 % (+30.4 points)

since     12:36:30 UTC (12:36:20 – 12:36:40), seen after 61 events
where     operation=extract_order · all regions, all models
HTTP      green: error rate 0.4 % → 0.4 %, latency p50 1.21 s → 1.19 s
first seen around the change
          prompt_version v42, 12:36:26
also      length of answers 412 → 524 characters (+27 %)

accept:   undertow accept 7f3a91
false:    undertow false 7f3a91"""


def _rate(chance: random.Random, share: float, events: int) -> tuple[float, float, float]:
    hits = sum(chance.random() < share for _ in range(events))
    level, spread = hits / events, 1.96 * math.sqrt((hits + 1) * (events - hits + 1) / (events + 2) ** 3)
    return level, max(0.0, level - spread), min(1.0, level + spread)


def _points(seed: int, before: float, after: float, unit: str, *, changes_at: float = CHANGED) -> list[Point]:
    chance, found = random.Random(seed), []
    for index in range(int((END - START) / WINDOW)):
        t, events = START + (index + 0.5) * WINDOW, chance.randint(60, 110)
        truth = before if t < changes_at else after
        if unit == SHARE:
            value, low, high = _rate(chance, truth, events)
        else:
            value = truth * math.exp(chance.gauss(0, 0.55 / math.sqrt(events)))
            low, high = value * math.exp(-1.1 / math.sqrt(events)), value * math.exp(1.1 / math.sqrt(events))
        found.append(Point(t, value, low, high, events))
    return found


def _chart(seed: int, title: str, metric: str, unit: str, before: float, after: float | None, segment: str) -> Chart:
    return Chart(
        title=title,
        metric=metric,
        unit=unit,
        service="support",
        segment=segment,
        points=_points(seed, before, before if after is None else after, unit),
        baseline=Estimate(before, before * 0.94, before * 1.06, 9000),
        change=None if after is None else ChangeMark(CHANGED, CHANGED - 10, CHANGED + 10),
        after=None if after is None else Estimate(after, after * 0.8, after * 1.2, 400),
        detected_at=None if after is None else DETECTED,
        versions=[Mark(CHANGED - 4, "prompt_version v42"), Mark(START + 900, "region ap-south")],
    )


def sample_report(example: str = "Please summarise order 4711.") -> Report:
    """Return a realistic report: a renamed key in one operation, found in a minute, HTTP green throughout."""
    extract = "operation=extract_order"
    charts = [
        _chart(1, "answers that break their JSON Schema", "schema_violation_rate", SHARE, 0.006, 0.31, extract),
        _chart(2, "length of answers", "output_length", "characters", 412, 524, extract),
        _chart(3, "calls a task takes", "calls_per_task", "calls", 2.1, 3.4, "operation=resolve_ticket"),
        _chart(4, "answers that refuse", "refusal_rate", SHARE, 0.021, None, ""),
        _chart(5, "cost of a task", "cost_per_task", "US dollars", 0.0042, None, ""),
        _chart(6, "length of user inputs", "input_length", "characters", 188, None, ""),
        _chart(7, "answers with no content", "empty_rate", SHARE, 0.0, None, ""),
    ]
    classic = [
        _chart(8, "error rate", "error_rate", SHARE, 0.004, None, ""),
        _chart(9, "latency, median", "latency", "seconds", 1.2, None, ""),
        _chart(10, "requests", "requests", "requests/s", 4.2, None, ""),
    ]
    return Report(
        title="key rename in live traffic",
        generated_for="undertow demo",
        period=Period(START, END),
        headline_numbers=[
            Number("events read", "15,204", "none refused"),
            Number("series watched", "118", "7 shown"),
            Number("pages sent", "1", "within 60 s of the change"),
        ],
        incidents=[_incident(extract)],
        charts=charts,
        http=classic,
        versions=[
            VersionView("prompt_version", "v42", "support", CHANGED - 4),
            VersionView("region", "ap-south", "support", START + 900, "roll-out to Mumbai"),
        ],
        examples=_examples(extract, example),
        false_page_budget=1.0,
        notes=["Traffic is simulated; the detectors know nothing of the declared incident."],
    )


def _incident(where: str) -> IncidentView:
    return IncidentView(
        id="7f3a91",
        headline="support: 31 % of answers break their JSON Schema, was 0.6 %, since prompt_version v42",
        severity="critical",
        service="support",
        opened_at=DETECTED,
        changed_at=CHANGED,
        changed_from=CHANGED - 10,
        changed_to=CHANGED + 10,
        paged_at=DETECTED + 30,
        rows=[
            Row(
                title="answers that break their JSON Schema",
                metric="schema_violation_rate",
                unit=SHARE,
                where=where,
                before=Estimate(0.006, 0.0046, 0.0077, 9000),
                after=Estimate(0.31, 0.26, 0.364, 312),
                direction="up",
                events=61,
                seconds=60,
            ),
            Row(
                title="length of answers",
                metric="output_length",
                unit="characters",
                where=where,
                before=Estimate(412, 405, 419, 9000),
                after=Estimate(524, 498, 551, 312),
                direction="up",
                events=122,
                seconds=120,
            ),
        ],
        http=[HttpLevel("error rate", SHARE, 0.004, 0.004), HttpLevel("latency, median", "seconds", 1.21, 1.19)],
        causes=[
            "prompt_version v42, first seen 12:36:26, 4 s before the change; every violation has it",
            "region ap-south, first seen 21 min before the change; violations are as frequent elsewhere",
        ],
        page_text=PAGE,
    )


def _examples(where: str, text: str) -> list[Example]:
    good = '{"order_id": 4711, "total": 39.9, "items": ["kettle"]}'
    bad = '{"orderId": 4711, "total": 39.9, "items": ["kettle"], "note": "The order was placed on 3 May."}'
    return [
        Example(when="before", time=CHANGED - 300, where=where, input=text, output=good),
        Example(when="after", time=CHANGED + 40, where=where, input=text, output=bad, why="'order_id' is required"),
    ]


QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)
ACCENT = {"light": (0xC2, 0x41, 0x0C), "dark": (0xFF, 0x8F, 0x57)}
Browse = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    """Return a function that runs the browser with the given options in an empty profile."""

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [chromium, *QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    return run


class Site(ThreadingHTTPServer):
    """A loopback server of a few pages that remembers what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, str] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.pages.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _pixels(png: bytes) -> tuple[int, int, set[tuple[int, int, int]]]:
    """Return width, height and the colours of an 8-bit RGB or RGBA picture."""
    width, height, channels = int.from_bytes(png[16:20]), int.from_bytes(png[20:24]), 4 if png[25] == 6 else 3
    at, packed = 8, b""
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        packed += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + size
    raw, row, colours = zlib.decompress(packed), bytearray(width * channels), set()
    for y in range(height):
        start = y * (width * channels + 1)
        row = _unfilter(raw[start], raw[start + 1 : start + 1 + width * channels], row, channels)
        colours |= set(zip(row[::channels], row[1::channels], row[2::channels], strict=True))
    return width, height, colours


def _unfilter(kind: int, line: bytes, above: bytearray, channels: int) -> bytearray:
    row = bytearray(line)
    for i in range(len(row)):
        left = row[i - channels] if i >= channels else 0
        corner = above[i - channels] if i >= channels else 0
        paeth = min((left, above[i], corner), key=lambda near: abs(left + above[i] - corner - near))
        row[i] = (row[i] + (0, left, above[i], (left + above[i]) // 2, paeth)[kind]) % 256
    return row


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_drawn_with_its_style_in_light_and_dark(browse: Browse, tmp_path: Path, theme: str) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(render_report(sample_report()), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}"
    told = browse(scheme, "--enable-logging=stderr", "--window-size=700,900", f"--screenshot={picture}", page.as_uri())
    width, height, colours = _pixels(picture.read_bytes())
    assert (width, height) == (700, 900)
    assert ACCENT[theme] in colours
    assert ACCENT["light" if theme == "dark" else "dark"] not in colours
    # A style sheet or script that the page's own policy refuses would say so here.
    assert "CONSOLE" not in told.stderr


def test_text_of_the_traffic_runs_nothing_and_fetches_nothing(browse: Browse, site: Site) -> None:
    hostile = (
        f"</script></blockquote><script>document.title='owned';fetch('{site.url}/script')</script>"
        f"<img src={site.url}/picture onerror=\"document.title='owned'\">"
    )
    site.pages["/report"] = render_report(sample_report(hostile))
    dumped = browse("--virtual-time-budget=2000", "--dump-dom", f"{site.url}/report").stdout
    assert "<title>owned</title>" not in dumped
    assert hostile in html.unescape(dumped)
    assert set(site.asked) <= {"/report", "/favicon.ico"}
    # The same text outside the report does both: the check can fail.
    site.pages["/plain"] = f"<!doctype html><title>plain</title><p>{hostile}"
    dumped = browse("--virtual-time-budget=2000", "--dump-dom", f"{site.url}/plain").stdout
    assert "<title>owned</title>" in dumped
    assert {"/script", "/picture"} <= set(site.asked)


FRAME = """<!doctype html><title>waiting</title><iframe src="/report" width="WIDTH" height="900"></iframe><script>
onload = () => {
  const inside = frames[0].document, root = inside.documentElement, chart = inside.querySelector("svg.chart");
  const area = chart.getBoundingClientRect();
  const spot = {clientX: area.left + 0.9 * area.width, clientY: area.top + 20, bubbles: true};
  chart.dispatchEvent(new frames[0].PointerEvent("pointermove", spot));
  const box = inside.getElementById("hover");
  document.title = [root.scrollWidth - root.clientWidth, box.hidden, box.textContent].join("|");
};
</script>"""


@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_a_phone_and_shows_values_under_the_pointer(browse: Browse, site: Site, width: int) -> None:
    site.pages = {"/report": render_report(sample_report("x" * 300)), "/frame": FRAME.replace("WIDTH", str(width))}
    dumped = browse("--window-size=1400,1000", "--virtual-time-budget=2000", "--dump-dom", f"{site.url}/frame").stdout
    title = re.search("<title>(.*?)</title>", dumped)
    assert title is not None
    overflow, hidden, text = title.group(1).split("|")
    assert overflow == "0"
    assert hidden == "false"
    assert re.fullmatch(r"12:5\d:\d\d  [\d.]+ % \([\d.]+ % – [\d.]+ %\), \d+ events", text)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_report(sample_report()), encoding="utf-8")
