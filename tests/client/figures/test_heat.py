import numpy as np

from attridex.client.figures.drawing import WIDTH
from attridex.client.figures.heat import Heat, heat_maps, pair_means

ROWS = [
    {"a": "na", "b": "grad-dot", "mean": 0.25},
    {"a": "na", "b": "bm25", "mean": None},
    {"a": "grad-dot", "b": "bm25", "mean": -1},
]


def test_a_symmetric_map_shows_each_pair_once_and_nothing_of_itself() -> None:
    values = pair_means(Heat("t", ROWS, symmetric=True))
    assert np.isfinite(values).sum() == 2
    assert (values[1, 0], values[2, 1]) == (0.25, -1)
    assert pair_means(Heat("t", ROWS))[0, 1] == 0.25


def test_maps_stand_side_by_side_while_their_numbers_can_be_read() -> None:
    many = [{"a": f"m{at}", "b": f"m{at + 1}", "mean": 0.5} for at in range(20)]
    assert heat_maps([Heat("a", ROWS), Heat("b", ROWS)]).get_figwidth() == WIDTH
    below = heat_maps([Heat("a", many), Heat("b", many)])
    assert below.get_figheight() > below.get_figwidth()
    (axes,) = heat_maps([Heat("a", ROWS[:1])]).axes
    assert [text.get_text() for text in axes.texts] == ["0.25"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["NA", "grad-dot"]
