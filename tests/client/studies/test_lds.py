from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.client.studies import lds
from tests.client.studies.conftest import result
from tests.conftest import Ran, records, tiny_model, word_tokenizer, write_jsonl


def test_scores_that_are_the_data_model_have_an_lds_of_one() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 40)).astype(np.float32)
    halves = [np.sort(rng.permutation(40)[:20]) for _ in range(30)]
    losses = np.stack([-scores[:, half].sum(1) for half in halves])
    assert lds.correlations(lds.sums_over_halves(scores, halves), losses) == pytest.approx(np.ones(3))
    assert lds.correlations(lds.sums_over_halves(-scores, halves), losses) == pytest.approx(-np.ones(3))


ANSWERS: dict[str, Callable[[int], Any]] = {
    "regression": lambda number: number / 4 - 0.3,
    "multi-label": lambda number: ["LABEL_1"] if number % 2 else ["LABEL_0", "LABEL_2"],
}


@pytest.mark.parametrize("task", ANSWERS)
def test_models_of_numbers_and_of_several_labels_are_retrained_whole_and_numbers_have_no_accuracy(
    task: str, tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    model = tiny_model("bert", "multiple-choice", 1) if task == "regression" else tiny_model("bert")
    model.save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    rows = [{**row, "label": ANSWERS[task](number)} for number, row in enumerate(records(8))]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "queries.jsonl", [{**row, "id": f"q{row['id']}"} for row in rows[:3]])
    (tmp_path / "config.toml").write_text(
        f'[model]\npath = "model"\ntask = "{task}"\n[corpus]\nfiles = ["train.jsonl"]\ntext = "{{premise}}"\n'
        + 'labels = ["LABEL_0", "LABEL_1", "LABEL_2"]\n' * (task != "regression")
        + '[neurons]\nenabled = false\n[training]\nbase = "model"\nepochs = 1\n'
    )
    assert (ran := attridex("build", tmp_path / "config.toml", "--out", tmp_path / "index")).code == 0, ran.err
    arguments = ["study", "lds", "--index", tmp_path / "index", "--queries", tmp_path / "queries.jsonl", "--out"]
    ran = attridex(*arguments, tmp_path / "head")
    assert f"the head of a {task} model is not fitted alone" in ran.err
    (tmp_path / "settings.toml").write_text('methods = ["grad-dot"]\n[lds]\nhalves = 3\nretrain = "model"\n')
    ran = attridex(*arguments, tmp_path / "out", "--settings", tmp_path / "settings.toml")
    assert ran.code == 0, ran.err
    found = result(tmp_path / "out", "lds")
    assert found["facts"]["queries"] == 3
    assert {"accuracy_of_halves", "majority"} & set(found["facts"]) == (
        set() if task == "regression" else {"accuracy_of_halves", "majority"}
    )
