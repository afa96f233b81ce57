from pathlib import Path

from attridex.client.figures.palette import Palette
from attridex.client.studies import faithfulness_section
from tests.client.report.made import made_result


def test_no_neuron_is_where_every_curve_begins(tmp_path: Path) -> None:
    found = faithfulness_section.faithfulness_section(made_result(tmp_path, "faithfulness"), Palette.of(()))
    (drawn,) = found.pictures
    first = drawn.figure.axes[0]
    names = [text.get_text() for text in drawn.figure.legends[0].texts]
    assert names == ["NA", "IA-Neurons: grad-dot", "random neurons", "r = 0, the edit alone"]
    assert len({line.get_ydata()[0] for line in first.lines}) == 1
    assert len(found.tables) == 5


def test_key_numbers_stand_beside_what_they_are_compared_with(tmp_path: Path) -> None:
    keep, suppress = faithfulness_section.faithfulness_key_numbers(made_result(tmp_path, "faithfulness"))
    assert keep.words.startswith("of predictions unchanged when keeping only the top neuron by NA (no neuron kept ")
    assert "random neurons" in keep.words
    assert "suppressing the top 10 neurons by NA (random neurons " in suppress.words
