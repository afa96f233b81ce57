from pathlib import Path

from attridex.client.studies import overlap
from attridex.v1.neurons import Neuron
from tests.client.report.made import made_result


def test_overlap_is_a_share_of_the_first() -> None:
    lists = {"a": {"q": [1, 2, 3, 4]}, "b": {"q": [3, 4]}}
    found = {(row["a"], row["b"]): row["mean"] for row in overlap.pair_rows(lists, ["q"], 0)}
    assert found == {("a", "b"): 0.5, ("b", "a"): 1.0}
    assert overlap.unique_rows({"a": {"p": [1, 2], "q": [2, 3]}}, ["p", "q"], 0)[0]["unique"] == 3
    assert overlap.layer_rows({"na": {"q": [Neuron(0, 1), Neuron(2, 5), Neuron(2, 6, expert=1)]}}, 3) == [
        {"method": "na", "layer": 0, "share": 0.3333333, "n": 1},
        {"method": "na", "layer": 1, "share": 0.0, "n": 0},
        {"method": "na", "layer": 2, "share": 0.6666667, "n": 2},
    ]


def test_the_method_nearest_to_na_instances_is_no_baseline(tmp_path: Path) -> None:
    rows = [
        {"a": "na-instances", "b": b, "mean": mean, "low": 0, "high": 1, "n": 4} for b, mean in (("random", 0.9), ("trak", 0.2))
    ]
    result = made_result(tmp_path, "overlap", tables={"shared_instances": rows})
    (key,) = overlap.overlap_key_numbers(result)
    assert (key.value, key.interval) == ("0.2", "(0 to 1)")
    assert key.words == "of NA-Instances\u2019 top 10 are found by trak too, the nearest method"
