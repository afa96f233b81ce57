"""Studies of right and wrong answers are refused in one line, before any work, where there is no one answer; the others run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.client.studies.registry import study_names
from attridex.client.studies.run import OF_ONE_ANSWER, has_work
from tests.conftest import Ran, word_tokenizer
from tests.indexer.building.test_fit_of_tasks import LABELS, model_of, write


@pytest.mark.parametrize("task", LABELS)
def test_a_task_without_one_answer_has_the_studies_that_need_none(
    task: str, tmp_path: Path, attridex: Callable[..., Ran]
) -> None:
    model_of(task).save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    config = write(tmp_path, task, LABELS[task])
    config.write_text(config.read_text().replace("enabled = false", 'rule = "gradient"'))
    ran = attridex("build", config, "--out", tmp_path / "index")
    assert ran.code == 0, ran.err
    (tmp_path / "settings.toml").write_text('queries = 4\nmethods = ["grad-dot", "random"]\n')
    asked = (
        "--index", tmp_path / "index", "--queries", tmp_path / "train.jsonl", "--settings", tmp_path / "settings.toml", "--out",
    )  # fmt: skip
    refused = (*OF_ONE_ANSWER, "lds")
    ran = attridex("study", "all", *asked, tmp_path / "all")
    assert ran.code == 0, ran.err
    assert {path.parent.name for path in tmp_path.glob("all/*/result.json")} == set(study_names()) - set(refused)
    for study in refused:
        ran = attridex("study", study, *asked, tmp_path / study)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1), (study, ran.err)
        assert f"[{study}]: " in ran.err
        assert not has_work(tmp_path / study)
