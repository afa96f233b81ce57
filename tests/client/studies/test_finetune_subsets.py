from pathlib import Path

import numpy as np

from attridex.client.figures.palette import Palette
from attridex.client.studies import finetune_subsets
from attridex.client.studies.finetune_subsets import Part, Subset
from attridex.client.workbench.retrained import majority_share
from tests.client.report.made import made_result, made_tables, measured


def test_a_subset_is_compared_with_random_ones_of_its_size_on_the_same_tests() -> None:
    random, best = Part("random", "", 0.5), Part("ia", "most", 0.5)
    subsets = [Subset(part, draw, np.arange(2)) for part, draw in ((random, 0), (random, 1), (best, 0))]
    right = [np.array([True, False]), np.array([False, False]), np.array([True, True])]
    found = {(row["method"], row["measure"]): row["mean"] for row in finetune_subsets.accuracy_table(subsets, right, 0)}
    assert found == {
        ("random", "accuracy"): 0.25, ("ia", "accuracy"): 1.0, ("ia", "above random"): 0.75, ("ia", "above draws"): 0.75,
    }  # fmt: skip


def test_one_answer_to_all_tests_is_right_on_the_most_frequent_label() -> None:
    assert majority_share([0, 1, 1, 2]) == {"majority": 0.5}
    assert majority_share([None, None]) == {}


def test_parts_of_one_size_are_dots_beside_the_band_of_random_ones(tmp_path: Path) -> None:
    rows = [row for row in made_tables(measured())["finetune-subsets"]["accuracy"] if row["fraction"] != 0.1]
    result = made_result(tmp_path, "finetune-subsets", tables={"accuracy": rows})
    found = finetune_subsets.finetune_section(result, Palette.of(()))
    (drawn,) = found.pictures
    assert drawn.name == "finetune-subsets-one-size"
    (axes,) = drawn.figure.axes
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert named == ["Most influential by grad-dot", "Least influential by grad-dot", "Whole pool"]
    assert len(found.tables) == 2


def test_parts_of_several_sizes_are_lines_of_both_ends(tmp_path: Path) -> None:
    (drawn,) = finetune_subsets.finetune_section(made_result(tmp_path, "finetune-subsets"), Palette.of(())).pictures
    assert drawn.name == "finetune-subsets"
    names = [text.get_text() for text in drawn.figure.legends[0].texts]
    assert names == ["whole pool", "random subsets", "grad-dot, most influential", "grad-dot, least influential"]
