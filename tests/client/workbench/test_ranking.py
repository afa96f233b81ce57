from pathlib import Path

import numpy as np

from attridex.client.workbench.methods import StudyMethod
from attridex.client.workbench.ranking import drawn_pool, order, rank_sums
from tests.client.workbench.made import hits_answer, made_context


def test_instances_are_ordered_by_the_sum_of_their_ranks() -> None:
    ranks = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert order(ranks).tolist() == [1, 0, 2], "sums 7, 4, 7; ties by position"
    assert order(ranks, np.array([0, 0])).tolist() == [0, 1, 2]


def test_an_instance_that_is_no_hit_has_the_last_rank(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: hits_answer(request, {4: 2.0, 0: 0.5}), count=1)
    assert rank_sums(context, StudyMethod("grad-dot"), np.array([0, 1, 4])).tolist() == [[2.0, 3.0, 1.0]]


def test_a_pool_is_drawn_by_the_seed_in_its_order() -> None:
    assert drawn_pool(4, 0, 1).tolist() == drawn_pool(4, 9, 1).tolist() == [0, 1, 2, 3]
    pool = drawn_pool(100, 10, 1)
    assert len(set(pool)) == 10
    assert pool.tolist() == sorted(pool) == drawn_pool(100, 10, 1).tolist()
