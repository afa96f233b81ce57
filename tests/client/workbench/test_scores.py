from pathlib import Path

import numpy as np
import pytest

from attridex.client.errors import UsageError
from attridex.client.workbench import scores
from attridex.client.workbench.methods import StudyMethod
from tests.client.workbench.made import hits_answer, made_context

DOT = StudyMethod("grad-dot")


def test_scores_stand_at_their_rows_and_are_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "HITS", 8)
    context = made_context(tmp_path, lambda request: hits_answer(request, {4: 2.0, 0: 0.5}))
    found = scores.all_scores(context, DOT, "gold")
    expected = np.full((3, 5), np.nan, np.float32)
    expected[:, 4], expected[:, 0] = 2.0, 0.5
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores.all_scores(context, DOT, "gold"), expected)
    assert context.client.asked == 2, "two queries fit a request"  # type: ignore[attr-defined]


def test_scores_of_other_queries_do_not_go_into_the_same_directory(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: hits_answer(request, {1: 1.0}))
    scores.all_scores(context, DOT, "gold")
    with pytest.raises(UsageError, match="begun with other queries"):
        scores.all_scores(context, DOT, "gold", context.queries[:1])
