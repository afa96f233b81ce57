"""The check of fit: what needs no model is the measure, and chance is allowed for."""

import pytest

from attridex.indexer.fit import Fit


@pytest.mark.parametrize(
    ("fit", "better"),
    [
        (Fit("right", 0.93, 0.34, 2000, "neutral"), True),
        (Fit("right", 0.34, 0.335, 2000, "neutral"), False),
        (Fit("right", 0.36, 0.335, 400, "neutral"), False),  # two standard errors are .048
        (Fit("right", 0.39, 0.335, 400, "neutral"), True),
        (Fit("right", 0.05, 0.5, 400, "neutral"), False),
        (Fit("right", 1.0, 0.5, 4, "neutral"), True),
        (Fit("loss", 2.1, 6.0, 5000), True),
        (Fit("loss", 6.0, 6.0, 5000), False),
        (Fit("error", 0.5, 2.0, 40), True),
        (Fit("error", 2.0, 2.0, 40), False),
        (Fit("right", 0.97, 0.96, 2000), True),
        (Fit("right", 0.96, 0.96, 2000), False),
    ],
)
def test_a_model_is_better_only_beyond_chance(fit: Fit, better: bool) -> None:
    assert fit.better == better
    assert fit.warning().startswith("warning: the model does no better than") == (not better)


def test_a_model_that_has_learned_little_is_the_first_guess_and_of_the_training_s_own_rows_the_only_one() -> None:
    fit = Fit("right", 0.34, 0.335, 2000, "neutral")
    little = "warning: the model does no better than always 'neutral': it has learned little (train longer?)"
    assert fit.warning().startswith(f"{little}, or its texts are not encoded as in its training")
    assert fit.lines(as_trained=True) == [fit.words, little]


def test_both_figures_are_said() -> None:
    assert "93.0% of 2,000 labels" in Fit("right", 0.93, 0.34, 2000, "neutral").words
    assert "always 'neutral' would answer 34.0%" in Fit("right", 0.93, 0.34, 2000, "neutral").words
    assert "mean loss of 5,000 target tokens is 2.1; their frequencies alone would give 6" in Fit("loss", 2.1, 6.0, 5000).words
    assert "squared error over 40 instances is 0.5; always the mean would give 2" in Fit("error", 0.5, 2.0, 40).words
    assert "always each label's more frequent answer would answer 96.0%" in Fit("right", 0.97, 0.96, 2000).words


def test_an_index_that_does_not_tell_it_has_none() -> None:
    assert Fit.of({}) is None
    assert Fit.of({"fit": None}) is None
    assert Fit.of({"fit": {"measure": "loss", "model": 1, "baseline": 2, "counted": 3, "majority": ""}}) == Fit("loss", 1, 2, 3)
