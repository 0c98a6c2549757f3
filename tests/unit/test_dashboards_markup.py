"""No text breaks the markup, and no control character reaches a reader's terminal or browser."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.markup import Markup, tag, visible


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.titles: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text())
def test_any_text_comes_out_as_the_same_text_and_nothing_else(text: str) -> None:
    seen = _Seen()
    seen.feed(tag("p", text, title=text))
    seen.close()
    assert seen.tags == ["p"]
    assert "".join(seen.texts) == visible(text)
    assert seen.titles == [visible(text)]


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_can_be_written_as_utf8(text: str) -> None:
    tag("p", text).encode()


def test_markup_is_taken_as_it_is() -> None:
    assert tag("p", Markup("<b>x</b>"), "<b>") == "<p><b>x</b>&lt;b&gt;</p>"


@pytest.mark.parametrize("text", ["\x1b[2J", "a\u202eb", "\x9b31m", "\x07", "\x00", "\ud800"])
def test_a_character_that_acts_becomes_one_that_is_seen(text: str) -> None:
    assert not set(visible(text)) & set("\x1b\u202e\x9b\x07\x00\ud800")
    assert len(visible(text)) == len(text)


def test_attributes_can_be_flags_numbers_or_left_out() -> None:
    assert tag("div", hidden=True, id=None, role=False, x=1.04, y=2.0) == '<div hidden x="1" y="2"></div>'
