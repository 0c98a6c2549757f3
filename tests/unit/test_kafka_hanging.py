"""A process whose loop hangs ends and says where; one that goes round does not."""

import subprocess
import sys

PROGRAM = """
import sys, threading, time
from undertow.pipelines.kafka.hanging import ended_if_it_hangs

def hang():
    threading.Event().wait(60.0)

with ended_if_it_hangs(2.0) as goes_round:
    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        goes_round()
        time.sleep(0.01)
    hang() if sys.argv[1:] else None
print("ended well")
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50.0, check=False)


def test_one_that_goes_round_goes_on() -> None:
    done = _run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended well\n", "")


def test_one_that_hangs_ends_and_says_where() -> None:
    done = _run("hang")
    assert (done.returncode, done.stdout) == (1, "")
    assert "in hang" in done.stderr
