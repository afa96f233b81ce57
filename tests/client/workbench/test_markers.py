import pytest

from attridex.client.workbench.markers import MARKERS, decode, text_of


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("The actor saw the senators , the lawyers waited .", "The actor saw the senators .", (1.0, 1.0, 0.0)),
        ("the potter pushed the ranger .", "the ranger pushed the potter .", (1.0, 0.0, 0.0)),
        ("A dog ran", "Nobody didn't run", (0.0, 0.0, 1.0)),
        ("A dog", "", (0.0, 0.0, 0.0)),
        ("I know it is notable", "It is notable.", (1.0, 1.0, 0.0)),
        ("another", "an other", (0.0, 0.0, 0.0)),
    ],
)
def test_markers_of_pairs(first: str, second: str, expected: tuple[float, float, float]) -> None:
    assert tuple(marker.measure(first, second) for marker in MARKERS.values()) == expected


def test_lists_that_were_stored_as_text_are_lists_again() -> None:
    assert decode('["a", "b"]') == ["a", "b"]
    assert decode("[no list") == "[no list"
    assert text_of({"choices": ["a", "b"]}, "choices", "1") == "b"
    assert text_of({"choices": ["a", "b"]}, "choices", None) == "a b"
