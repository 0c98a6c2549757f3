"""The inbox: the same sequence however it is taken, through compression, merging, rotation and restarts."""

import gzip
import json
import os
import random
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from undertow.pipelines.dead_letters import EXCERPT, KEPT_EVERY, KEPT_FIRST, DeadLetter
from undertow.pipelines.inbox import Inbox, Taken, expand
from undertow.pipelines.settings import Ingest
from undertow.pipelines.source import MAX_LINE_BYTES, SourceError
from undertow.pipelines.wire import decoder_for
from undertow.pipelines.wire.native import NativeDecoder

START = 1_700_000_000.0


def line(number: int, time: float | None = None, **fields: Any) -> bytes:
    event = {"id": f"e{number}", "time": START + number if time is None else time, "service": "support", **fields}
    return json.dumps(event).encode() + b"\n"


def lines(numbers: Iterable[int]) -> bytes:
    return b"".join(line(number) for number in numbers)


MIXED = b"".join(
    [
        line(0),
        b"\r\n",
        b"{broken\n",
        line(1),
        line(2, 4_070_908_800.0),
        b"\n\n",
        *(line(number) for number in range(3, 30)),
        b'{"id": "x"}\n',
        *(line(number) for number in range(30, 40)),
        b"[]",
    ]
)


def open_inbox(*paths: Path, follow: bool = False, resume: dict[str, Any] | None = None, **options: Any) -> Inbox:
    options.setdefault("now", lambda: START + 1e6)
    return Inbox([str(path) for path in paths], NativeDecoder(), follow=follow, resume=resume, redact=str, **options)


def as_sequence(taken: Taken) -> list[tuple[Any, ...]]:
    events = [("event", event.id, crc) for event, crc in zip(taken.events, taken.crcs, strict=True)]
    return [*events, *(("letter", letter) for letter in taken.rejects)]


def drain(inbox: Inbox, limit: int = 1000) -> list[tuple[Any, ...]]:
    """Take everything and return it as one comparable sequence per kind, in the order of each."""
    events: list[tuple[Any, ...]] = []
    with inbox:
        while True:
            taken = inbox.take(limit)
            assert taken.records == len(taken.events) + taken.rejected <= limit
            events += as_sequence(taken)
            if taken.exhausted:
                return sorted(events, key=lambda item: item[0])


def poll(inbox: Inbox, times: int = 12) -> list[str]:
    return [event.id for _ in range(times) for event in inbox.take(1000).events]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(MIXED)
    return path


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 39, 43, 44, 45])
def test_the_sequence_is_the_same_whatever_limits_are_asked(mixed: Path, limit: int) -> None:
    assert drain(open_inbox(mixed), limit) == drain(open_inbox(mixed))


def test_every_record_is_an_event_or_a_letter_with_its_place(mixed: Path) -> None:
    with open_inbox(mixed) as inbox:
        taken = inbox.take(1000)
    assert [event.id for event in taken.events] == [f"e{number}" for number in range(40) if number != 2]
    assert taken.crcs[0] == zlib.crc32(line(0).rstrip(b"\n"))
    places = [(letter.line, letter.offset, letter.field) for letter in taken.rejects]
    assert places == [
        (3, MIXED.index(b"{broken"), ""),
        (5, MIXED.index(b'{"id": "e2"'), "time"),
        (35, MIXED.index(b'{"id": "x"}'), "time"),
        (46, MIXED.index(b"[]"), ""),
    ]
    assert all(letter.source == str(mixed) for letter in taken.rejects)
    assert (taken.records, taken.rejected, taken.exhausted) == (43, 4, True)


@pytest.mark.parametrize("cut", range(0, 44))
def test_going_on_from_positions_continues_exactly_behind_what_was_taken(mixed: Path, cut: int) -> None:
    whole = drain(open_inbox(mixed))
    with open_inbox(mixed) as inbox:
        first = as_sequence(inbox.take(cut))
        positions = json.loads(json.dumps(inbox.positions()))
    rest = drain(open_inbox(mixed, resume=positions))
    assert sorted([*first, *rest], key=lambda item: item[0]) == whole


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_archives_are_told_by_their_content_and_resumed(tmp_path: Path, mixed: Path, pack: Any, parts: int) -> None:
    packed = tmp_path / "packed.jsonl"
    size = len(MIXED) // parts + 1
    packed.write_bytes(b"".join(pack(MIXED[start : start + size]) for start in range(0, len(MIXED), size)))
    with open_inbox(packed) as inbox:
        head = [event.id for event in inbox.take(20).events]
        positions = inbox.positions()
    rest = [item[1] for item in drain(open_inbox(packed, resume=positions)) if item[0] == "event"]
    assert head + rest == [item[1] for item in drain(open_inbox(mixed)) if item[0] == "event"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_cut_archive_gives_what_it_holds_and_a_letter(tmp_path: Path, pack: Any) -> None:
    rng = random.Random(1)
    data = b"".join(line(n, note=rng.randbytes(100).hex()) for n in range(5000))
    path = tmp_path / "cut.gz"
    path.write_bytes(pack(data)[:-5000])
    found = drain(open_inbox(path), 10_000)
    letters = [item[1] for item in found if item[0] == "letter"]
    assert [letter.reason for letter in letters] == ["archive is broken: EOFError"]
    assert len(found) > 1000


def test_a_jump_is_measured_from_the_latest_event_whatever_way_that_one_went(tmp_path: Path) -> None:
    path = tmp_path / "jump.jsonl"
    times = [*range(9), 290, 310, *range(9)]
    path.write_bytes(b"".join(line(number, START + time) for number, time in enumerate(times)))
    with open_inbox(path) as inbox:
        assert len(inbox.take(100).events) == len(times)


def test_positions_stay_the_same_while_nothing_is_taken(mixed: Path) -> None:
    with open_inbox(mixed) as inbox:
        inbox.take(20)
        positions = inbox.positions()
    with open_inbox(mixed, resume=positions) as inbox:
        assert inbox.positions() == positions


def test_several_files_merge_by_time_and_ties_go_to_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(lines([0, 2, 4, 6]) + b"bad\n" + lines([20]))
    second.write_bytes(line(1) + line(94, START + 4) + lines([5, 7, 30]))
    with open_inbox(first, second) as inbox:
        taken = inbox.take(100)
        assert [event.id for event in taken.events] == ["e0", "e1", "e2", "e4", "e94", "e5", "e6", "e7", "e20", "e30"]
        assert taken.exhausted
    assert drain(open_inbox(first, second), 1) == drain(open_inbox(first, second), 3)


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_merge_is_resumed_exactly(tmp_path: Path, cut: int) -> None:
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl.gz")]
    paths[0].write_bytes(lines(range(0, 10, 2)))
    paths[1].write_bytes(gzip.compress(lines(range(1, 10, 2))))
    with open_inbox(*paths) as inbox:
        head = [event.id for event in inbox.take(cut).events]
        positions = inbox.positions()
    with open_inbox(*paths, resume=positions) as inbox:
        assert head + [event.id for event in inbox.take(100).events] == [f"e{n}" for n in range(10)]


def test_an_event_from_2099_in_one_file_does_not_hold_back_its_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_bytes(line(99, 4_070_908_800.0) + lines(range(0, 40, 2)))
    second.write_bytes(lines(range(1, 40, 2)))
    with open_inbox(first, second) as inbox:
        taken = inbox.take(100)
    assert [event.id for event in taken.events] == [f"e{number}" for number in range(40)]
    assert [letter.field for letter in taken.rejects] == ["time"]


def test_ten_thousand_bad_lines_are_counted_exactly_and_stored_seldom(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"id": 1}\n' * 10_000 + line(1))
    with open_inbox(path) as inbox:
        letters: list[DeadLetter] = []
        events = 0
        while not (taken := inbox.take(700)).exhausted:
            letters += taken.rejects
            events += len(taken.events)
        letters += taken.rejects
        events += len(taken.events)
        assert dict(inbox.rejected) == {(str(path), "expected str, got int", "id"): 10_000}
    assert events == 1
    assert len(letters) == KEPT_FIRST + 10_000 // KEPT_EVERY


def test_excerpts_are_short_and_pass_the_policy_before_they_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"x" * (EXCERPT - 3) + b"SECRET" + b"y" * 10_000 + b"\n")
    with Inbox(
        [str(path)], NativeDecoder(), follow=False, redact=lambda text: text.replace("SECRET", "[key]")
    ) as inbox:
        (letter,) = inbox.take(10).rejects
    assert letter.excerpt == "x" * (EXCERPT - 3) + "[ke"
    with Inbox([str(path)], NativeDecoder(), follow=False) as inbox:
        assert inbox.take(10).rejects[0].excerpt == "", "nothing is shown unless somebody says how"


def test_a_line_beyond_the_limit_is_refused_without_being_kept(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(line(0) + b"x" * (MAX_LINE_BYTES + 300_000) + b"\n" + line(1))
    with open_inbox(path) as inbox:
        taken = inbox.take(100)
        assert [event.id for event in taken.events] == ["e0", "e1"]
        assert [(letter.reason, letter.line) for letter in taken.rejects] == [("line is longer than 16 MiB", 2)]
        assert inbox.positions()["sources"][str(path)][:2] == [3, path.stat().st_size]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_exhausted_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with open_inbox(path) as inbox:
        taken = inbox.take(10)
    assert taken.events == []
    assert taken.exhausted


def test_events_without_a_service_are_named_after_their_file(tmp_path: Path) -> None:
    path = tmp_path / "billing.2026.jsonl"
    path.write_bytes(b'{"at": 1}\n')
    with Inbox([str(path)], decoder_for(Ingest(fields={"time": "at"})), follow=False) as inbox:
        assert inbox.take(1).events[0].service == "billing"


def test_folders_and_patterns_are_expanded(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    assert expand([str(tmp_path)], follow=False) == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    assert expand([str(tmp_path / "*.jsonl"), str(tmp_path / "a.jsonl")], follow=False) == expand(
        [str(tmp_path)], follow=False
    )


@pytest.mark.parametrize("name", ["nothing.jsonl", "*.nothing"])
def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="nothing"):
        open_inbox(tmp_path / name)


def test_a_resume_point_of_another_version_is_refused(mixed: Path) -> None:
    with pytest.raises(SourceError, match="version 99"):
        open_inbox(mixed, resume={"version": 99})


# --- followed files


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def followed(log: Path) -> Iterator[Inbox]:
    with open_inbox(log, follow=True) as inbox:
        yield inbox


def test_a_followed_file_may_appear_later_and_a_partial_line_is_waited_for(log: Path, followed: Inbox) -> None:
    taken = followed.take(10)
    assert (taken.records, taken.exhausted) == (0, False)
    append(log, line(0) + line(1)[:20])
    assert poll(followed) == ["e0"]
    append(log, line(1)[20:] + line(2))
    assert poll(followed) == ["e1", "e2"]


def test_a_renamed_file_is_finished_before_the_new_one_is_begun(log: Path, followed: Inbox) -> None:
    append(log, lines([0, 1]))
    assert poll(followed, 1) == ["e0", "e1"]
    log.rename(log.with_name("app.log.1"))
    append(log.with_name("app.log.1"), lines([2]))
    append(log, lines([3]))
    append(log.with_name("app.log.1"), lines([4])[:-1])
    assert poll(followed) == ["e2", "e4", "e3"]


def test_a_truncated_file_is_read_from_its_start(log: Path, followed: Inbox) -> None:
    append(log, lines([0, 1]))
    assert poll(followed) == ["e0", "e1"]
    os.truncate(log, 0)
    assert poll(followed) == []
    append(log, lines([2]))
    assert poll(followed) == ["e2"]


def test_a_file_that_was_truncated_and_grew_past_its_old_end_is_noticed(log: Path, followed: Inbox) -> None:
    append(log, lines([0]))
    assert poll(followed) == ["e0"]
    log.write_bytes(lines([1, 2, 3]))
    assert poll(followed) == ["e1", "e2", "e3"]


def test_what_was_copied_before_a_truncation_is_read_from_the_copy(log: Path, followed: Inbox) -> None:
    append(log, lines([0]))
    assert poll(followed) == ["e0"]
    append(log, lines([1, 2]))
    shutil.copy(log, log.with_name("app.log.1"))
    os.truncate(log, 0)
    append(log, lines([3]))
    assert poll(followed) == ["e1", "e2", "e3"]


def _rotate(log: Path, way: str) -> None:
    rotated = log.with_name("app.log.1")
    if way == "rename":
        log.rename(rotated)
    elif way == "copytruncate":
        shutil.copy(log, rotated)
        os.truncate(log, 0)
    else:
        rotated.with_suffix(".1.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()


@pytest.mark.parametrize("way", ["rename", "copytruncate", "gzip"])
@pytest.mark.parametrize("taken", [1, 2, 3, 4])
def test_a_file_rotated_during_a_restart_is_finished_first(log: Path, way: str, taken: int) -> None:
    append(log, lines([0, 1, 2, 3]))
    with open_inbox(log, follow=True) as inbox:
        head = [event.id for event in inbox.take(taken).events]
        positions = json.loads(json.dumps(inbox.positions()))
    append(log, lines([4]))
    _rotate(log, way)
    append(log, lines([5, 6]))
    with open_inbox(log, follow=True, resume=positions) as inbox:
        assert head + poll(inbox) == [f"e{number}" for number in range(7)]


def test_files_rotated_twice_during_a_restart_are_read_in_their_order(log: Path) -> None:
    append(log, lines([0, 1]))
    with open_inbox(log, follow=True) as inbox:
        inbox.take(1)
        positions = inbox.positions()
    for number, age in ((2, 300), (1, 200)):
        log.rename(log.with_name(f"app.log.{number}"))
        os.utime(log.with_name(f"app.log.{number}"), (START - age, START - age))
        append(log, lines([4 - number]))
    with open_inbox(log, follow=True, resume=positions) as inbox:
        assert poll(inbox) == ["e1", "e2", "e3"]


@pytest.mark.parametrize("seed", range(5))
def test_followed_and_restarted_at_random_nothing_is_lost_or_doubled(log: Path, seed: int) -> None:
    rng = random.Random(seed)
    seen: list[str] = []
    positions: dict[str, Any] | None = None
    written = 0
    for step in range(30):
        more = rng.randrange(5)
        append(log, lines(range(written, written + more)))
        written += more
        with open_inbox(log, follow=True, resume=positions) as inbox:
            seen += [event.id for _ in range(4) for event in inbox.take(rng.randrange(1, 5)).events]
            positions = inbox.positions()
        if step % 7 == 6:
            log.rename(log.with_name(f"app.log.{step}"))
            os.utime(log.with_name(f"app.log.{step}"), (START + step, START + step))
    with open_inbox(log, follow=True, resume=positions) as inbox:
        seen += poll(inbox, 40)
    assert seen == [f"e{number}" for number in range(written)]


def test_a_live_event_ahead_of_the_clock_is_refused(log: Path) -> None:
    append(log, line(0) + line(1, START + 301) + line(2, START + 300))
    with open_inbox(log, follow=True, now=lambda: START) as inbox:
        taken = inbox.take(10)
    assert [event.id for event in taken.events] == ["e0", "e2"]
    assert [letter.reason for letter in taken.rejects] == ["more than 300 s ahead of its arrival"]


def test_followed_sources_are_read_in_turns_and_new_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(lines(range(100)))
    with open_inbox(tmp_path / "*.log*", follow=True) as inbox:
        assert len(poll(inbox)) == 100
        (tmp_path / "b.log").write_bytes(lines([200]))
        (tmp_path / "a.log.1").write_bytes(lines([300]))
        assert poll(inbox) == ["e200"], "and a rotated file is no source of its own"
        append(tmp_path / "a.log", lines([101]))
        append(tmp_path / "b.log", lines([201]))
        assert sorted(poll(inbox, 1)) == ["e101", "e201"]


# --- standard input


def _pipe(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    return reading, writing


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _, writing = _pipe(monkeypatch)
    os.write(writing, gzip.compress(lines(range(10))))
    os.close(writing)
    with Inbox(["-"], NativeDecoder(), follow=False) as inbox:
        taken = inbox.take(100)
    assert len(taken.events) == 10
    assert taken.exhausted
    sys.stdin.close()


def test_followed_standard_input_never_waits_and_ends_with_its_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    _, writing = _pipe(monkeypatch)
    with open_inbox(Path("-"), follow=True) as inbox:
        assert inbox.take(10).records == 0
        os.write(writing, line(0) + line(1)[:-1])
        assert poll(inbox) == ["e0"]
        os.close(writing)
        assert poll(inbox) == ["e1"]
        assert inbox.take(10).exhausted
    sys.stdin.close()


def test_a_pause_between_reads_changes_nothing(log: Path) -> None:
    data: Sequence[bytes] = [MIXED[start : start + 37] for start in range(0, len(MIXED), 37)]
    with open_inbox(log, follow=True) as inbox:
        ids: list[str] = []
        for piece in data:
            append(log, piece)
            ids += poll(inbox, 1)
    assert ids == [f"e{number}" for number in range(40) if number != 2]
