"""Sources: the table of where lines can come from."""

from __future__ import annotations

from collections.abc import Callable

from undertow.pipelines.source import Position, Source
from undertow.pipelines.sources.file import FileSource
from undertow.pipelines.sources.followed import FollowedSource
from undertow.pipelines.sources.stdin import StandardInput

__all__ = ["SOURCES"]

# (path, position to go on from, whether to wait for more) → source
SOURCES: dict[str, Callable[[str, Position, bool], Source]] = {
    "file": lambda path, position, _follow: FileSource(path, position),
    "followed": lambda path, position, _follow: FollowedSource(path, position),
    "stdin": lambda _path, _position, follow: StandardInput(follow=follow),
}
