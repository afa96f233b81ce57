import json
from pathlib import Path

import pytest

from attridex.client.errors import UsageError
from attridex.client.workbench import retrained
from attridex.client.workbench.context import NotPossibleError
from attridex.indexer.config import load_config
from tests.client.workbench.made import made_context

CONFIG = '[model]\npath = "m"\n[corpus]\nfiles = ["t.jsonl"]\nsegments = ["{text}"]\n'


def test_a_configuration_without_training_cannot_be_retrained(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    config = load_config(tmp_path / "config.toml").model_dump(mode="json")
    context = made_context(tmp_path, lambda request: request, manifest={"config": config})
    with pytest.raises(NotPossibleError, match="no \\[training\\] section"):
        retrained.training_configuration(context)


def test_tests_are_those_of_the_settings_or_of_the_training(tmp_path: Path) -> None:
    (tmp_path / "tests.jsonl").write_text("".join(json.dumps({"id": f"x{at}"}) + "\n" for at in range(9)))
    (tmp_path / "config.toml").write_text(f'{CONFIG}[training]\nbase = "b"\ntest_files = ["tests.jsonl"]\n')
    trained = load_config(tmp_path / "config.toml")
    context = made_context(tmp_path, lambda request: request)
    found = retrained.test_records(context, trained, "", 3, "[toy]")
    assert len(found) == 3
    assert all(record["id"] in where for record, where in found)
    with pytest.raises(UsageError, match=r"\[toy\] tests = 'other.jsonl': no such file"):
        retrained.test_records(context, trained, "other.jsonl", 3, "[toy]")
