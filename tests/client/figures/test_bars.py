from typing import Any

from attridex.client.figures.bars import Panel, bar_panels, dot_panels, layer_histograms
from attridex.client.figures.palette import Palette

PALETTE = Palette.of(())


def rows(*methods: str) -> list[dict[str, Any]]:
    """A row for each method."""
    return [{"method": name, "mean": 0.2 + 0.1 * at, "low": 0.1, "high": 0.5, "n": 3} for at, name in enumerate(methods)]


def test_every_method_has_a_bar_with_its_number_and_its_name() -> None:
    figure = bar_panels([Panel(rows("grad-dot", "na"), "area", chance=0.5, shares=True), Panel(rows("grad-dot", "na"))], PALETTE)
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["grad-dot", "NA"]
    assert [text.get_text() for text in first.texts] == ["0.2", "0.3"]
    assert len(second.patches) == 2
    assert first.get_title(loc="left") == "Area"
    assert first.get_xlim() == (0, 1.25)


def test_a_mean_that_is_none_is_no_bar_and_no_dot() -> None:
    nothing = {"method": "na", "mean": None, "low": None, "high": None, "n": 0}
    (axes,) = bar_panels([Panel([*rows("grad-dot"), nothing], zero=True)], PALETTE).axes
    assert [text.get_text() for text in axes.texts] == ["0.2", "none"]
    (axes,) = dot_panels([Panel([*rows("grad-dot"), nothing])], PALETTE).axes
    assert len([line for line in axes.lines if line.get_marker() == "s"]) == 1


def test_panels_of_dots_stand_in_rows_and_what_is_left_is_empty() -> None:
    panels = [Panel(rows("grad-dot"), f"m{at}", references=rows("random")) for at in range(5)]
    figure = dot_panels(panels, PALETTE)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False] * 3


def test_histograms_outline_what_they_are_compared_with() -> None:
    shares = [{"method": name, "layer": at, "share": 0.5} for name in ("na", "ia-neurons/grad-dot") for at in range(2)]
    figure = layer_histograms(shares, PALETTE, "na")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["NA", "IA: grad-dot"]
    assert [len(axes.patches) for axes in figure.axes] == [2, 3]
