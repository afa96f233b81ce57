from attridex.client.figures.drawing import new_figure
from attridex.client.figures.lines import band, curve, legend, per_cent, start
from attridex.client.figures.palette import Look

ROWS = [{"mean": 0.1, "low": 0.0, "high": 0.3}, {"mean": 0.2, "low": None, "high": None}]


def test_a_curve_goes_through_the_means_and_its_band_closes_where_there_is_no_interval() -> None:
    axes = new_figure(2.0).subplots()
    curve(axes, [0, 1], ROWS, Look("#000000", "s"), "one", line="-.")
    assert axes.lines[0].get_ydata().tolist() == [0.1, 0.2]
    assert axes.lines[0].get_linestyle() == "-."
    assert {tuple(point) for point in axes.collections[0].get_paths()[0].vertices} >= {(0.0, 0.0), (0.0, 0.3), (1.0, 0.2)}


def test_a_legend_names_everything_once() -> None:
    figure = new_figure(2.0)
    axes = figure.subplots()
    for _ in range(2):
        curve(axes, [0], ROWS[:1], Look("#000000"), "one")
    band(axes, [0], ROWS[:1], "random")
    start(axes, ROWS[0], "the edit alone")
    legend(figure, axes, 2)
    assert [text.get_text() for text in figure.legends[0].texts] == ["one", "random", "the edit alone"]


def test_shares_are_per_cent() -> None:
    axes = new_figure(2.0).subplots()
    per_cent(axes, [0.1, 0.5])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10 %", "50 %"]
