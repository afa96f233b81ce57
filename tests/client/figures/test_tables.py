from attridex.client.figures.tables import Axis, matrix, pivot, shade


def test_a_number_of_units_is_told_once_where_it_is_one_and_by_row_where_not() -> None:
    rows = [{"method": m, "measure": "x", "mean": 0.5, "low": 0.4, "high": 0.6, "n": n} for m, n in (("a", 3), ("b", 4))]
    down, across = Axis("method", "method"), Axis("measure", "")
    mixed, one = pivot(rows, down, across, "T"), pivot(rows[:1], down, across, "T")
    assert mixed.columns == ("x", "n")
    assert [cells[1].text for _, cells in mixed.rows] == ["3", "4"]
    assert (one.caption, one.columns) == ("T; n = 3", ("x",))


def test_shades_tell_sign_and_size() -> None:
    assert shade({"mean": 1.0}) == "rgba(0, 114, 178, 0.50)"
    assert shade({"mean": -0.5}) == "rgba(213, 94, 0, 0.25)"
    assert shade({"mean": None}) == shade({"mean": 0.0}) == ""


def test_pairs_are_a_matrix_of_all_that_stand_on_either_side() -> None:
    rows = [{"a": "x", "b": "y", "mean": 0.5, "low": 0.4, "high": 0.6, "n": 3}]
    found = matrix(rows, "pairs", str.upper)
    assert found.columns == ("X", "Y")
    assert [(head, [cell.text for cell in cells]) for head, cells in found.rows] == [
        ("X", ["", "0.5 (0.4 to 0.6)"]),
        ("Y", ["", ""]),
    ]
    assert found.tinted
    assert found.folded
