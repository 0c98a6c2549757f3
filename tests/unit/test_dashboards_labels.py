"""Labels never cover one another, nor does the line of one run through the text of another."""

from hypothesis import given
from hypothesis import strategies as st

from undertow.dashboards.labels import Label, Placed, place

LABELS = st.lists(
    st.builds(Label, x=st.floats(50, 410), text=st.text("abc", max_size=40), kind=st.just("v")), max_size=12
)


def _overlap(one: Placed, other: Placed) -> bool:
    return one.lane == other.lane and one.left < other.right and other.left < one.right


@given(LABELS, st.integers(0, 4))
def test_no_two_labels_overlap_and_none_is_lost(labels: list[Label], lanes: int) -> None:
    placed, crowded = place(labels, 50, 410, lanes)
    assert len(placed) + len(crowded) == len(labels)
    for index, one in enumerate(placed):
        assert one.lane < lanes
        assert one.left >= 50
        for other in placed[index + 1 :]:
            assert not _overlap(one, other)
            upper, lower = (one, other) if one.lane > other.lane else (other, one)
            assert upper.lane == lower.lane or not lower.left < upper.label.x < lower.right


def test_a_label_that_must_stand_displaces_others() -> None:
    versions = [Label(200, f"prompt_version v{index}", "version") for index in range(9)]
    placed, crowded = place([*versions, Label(201, "changed 12:00:00", "changed", must=True)], 50, 410, 1)
    assert [each.text for each in placed] == ["changed 12:00:00"]
    assert len(crowded) == 9


def test_close_marks_keep_all_their_labels_in_lanes() -> None:
    labels = [Label(200, "prompt_version v42", "v"), Label(201, "changed", "c"), Label(208, "detected", "d")]
    placed, crowded = place(labels, 50, 410)
    assert not crowded
    assert {each.text: each.lane for each in placed} == {"detected": 0, "changed": 1, "prompt_version v42": 2}


def test_a_label_at_the_right_edge_stands_left_of_its_line() -> None:
    (placed,), _ = place([Label(405, "detected 12:00:00", "d")], 50, 410)
    assert placed.right < 405
