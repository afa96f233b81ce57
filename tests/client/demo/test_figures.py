"""The demo's figure and page."""

import pytest

from attridex.client.demo.figures import as_png, as_svg, demo_figure, demo_page, told_apart
from attridex.client.demo.showing import key_numbers
from tests.client.demo.examples import FINDINGS


def test_the_figure_has_three_panels_and_finds_all_flipped_labels_in_the_end() -> None:
    drawn = demo_figure(FINDINGS)
    left, middle, right = drawn.axes
    assert list(left.lines[0].get_ydata()) == [0.5, 1.0, 1.0, 1.0]
    assert [bar.get_width() for bar in middle.patches] == pytest.approx([0.5, 0.75, 1.0])
    assert [bar.get_width() for bar in right.patches] == pytest.approx([0.8, 0.9, 0.5])
    assert as_svg(drawn).startswith("<svg")
    assert as_png(drawn).startswith(b"\x89PNG")


def test_the_page_shows_texts_as_text() -> None:
    commands = ['attridex query --where "a < b"']
    context = {"instances": 4, "numbers": key_numbers(FINDINGS), "svg": "<svg></svg>", "queries": FINDINGS.queries}
    shown = demo_page({**context, "commands": commands})
    assert "<svg></svg>" in shown
    assert "a &lt; b" in shown
    assert FINDINGS.queries[0].premise in shown
    assert f">{FINDINGS.queries[0].found[0].hits[0].score:.3g}<" in shown


@pytest.mark.parametrize(
    ("scores", "texts"),
    [
        ([0.5, 0.25], ["0.5", "0.25"]),
        ([0.99999, 0.99998, 0.12345], ["0.99999", "0.99998", "0.12345"]),
        ([1.0, 1.0, 1.0], ["1", "1", "1"]),
        ([1.0, 1.0 - 1e-12], ["1", "1"]),
        ([], []),
    ],
)
def test_scores_have_as_many_digits_as_tell_them_apart(scores: list[float], texts: list[str]) -> None:
    assert told_apart(scores) == texts
