"""Batches: a budget, little padding, and every sequence in its place."""

import torch

from attridex.indexer.models.batches import pad, plan_batches


def test_batches_hold_the_budget_and_little_padding() -> None:
    lengths = [(n * 37) % 90 + 5 for n in range(300)]
    groups = list(plan_batches(lengths, 500))
    assert sorted(row for group in groups for row in group) == list(range(300))
    for group in groups:
        width = max(lengths[row] for row in group)
        assert width * len(group) <= 500
        assert width * len(group) - sum(lengths[row] for row in group) <= 0.1 * width * len(group)


def test_rows_that_ride_along_count_and_a_long_sequence_goes_alone() -> None:
    assert list(plan_batches([10, 10, 10], 30, overhead=5)) == [[0, 1], [2]]
    assert list(plan_batches([50, 10], 30)) == [[0], [1]]
    assert list(plan_batches([], 30)) == []


def test_padding_stands_on_the_right_and_is_masked() -> None:
    found = pad([[5, 6, 7], [8]], 9, torch.device("cpu"))
    assert found.ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert found.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert found.whole.tolist() == [3, 1]
