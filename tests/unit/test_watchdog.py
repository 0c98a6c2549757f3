"""Signs of life: given while the main loop beats, and by nobody else."""

from __future__ import annotations

import threading

import httpx
import pytest

from undertow.alerts.channel import Delivery, Outcome
from undertow.alerts.watchdog import Watchdog, ping


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_main_loop_that_stands_still_gives_no_sign(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watchdog = Watchdog([lambda: Delivery(Outcome.DELIVERED)], 60.0, 300.0, clock)
    assert [watchdog.renew(clock.now - quiet) for quiet in (300, 301)] == [1, 0]
    assert "the main loop has not gone round for 301 s" in caplog.text


def test_a_sign_that_is_not_heard_is_logged_and_the_others_are_given(caplog: pytest.LogCaptureFixture) -> None:
    signs = [lambda: Delivery(Outcome.RETRY, "nobody there"), lambda: Delivery(Outcome.DELIVERED)]
    assert Watchdog(signs, 60.0, 300.0, Clock()).renew(1000.0) == 1
    assert "a sign of life was not heard: nobody there" in caplog.text


def test_its_thread_gives_signs_until_it_is_left() -> None:
    heard = threading.Semaphore(0)

    def sign() -> Delivery:
        heard.release()
        return Delivery(Outcome.DELIVERED)

    with Watchdog([sign], 0.01, 300.0, Clock()) as watchdog:
        watchdog.beat()
        assert all(heard.acquire(timeout=30) for _ in range(3))
    assert "undertow-watchdog" not in {thread.name for thread in threading.enumerate()}


def test_without_signs_there_is_no_thread() -> None:
    with Watchdog([], 60.0, 300.0, Clock()):
        assert "undertow-watchdog" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, Outcome.DELIVERED), (204, Outcome.DELIVERED), (503, Outcome.RETRY)]
)
def test_a_ping_is_a_post_and_any_2xx_means_heard(status: int, outcome: Outcome) -> None:
    methods: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return httpx.Response(status, text="https://hc.example.org/0123456789abcdef is gone")

    said = ping("https://hc.example.org/0123456789abcdef", Clock(), httpx.MockTransport(answer))()
    assert (said.outcome, methods) == (outcome, ["POST"])
    assert "0123456789abcdef" not in said.detail
