"""The survey: counts, a fingerprint of content and order, and names that are taken."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.config import load_config
from attridex.indexer.corpus.survey import Survey, check_names, survey
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import RESERVED
from attridex.indexer.models.renderers import make_renderer


def surveyed(path: Path) -> Survey:
    config = load_config(path)
    return survey(config.corpus, make_renderer(config), labels_needed=True)


def test_a_survey_counts_and_its_fingerprint_follows_the_order(project: Callable[..., Path], tmp_path: Path) -> None:
    config = project(count=5)
    found = surveyed(config)
    instances = [make_renderer(load_config(config)).render(row, "x") for row in rows(tmp_path)]
    assert (found.instances, found.tokens, found.truncated) == (5, sum(each.tokens for each in instances), 0)
    assert found.columns == {"genre": "VARCHAR", "premise": "VARCHAR", "hypothesis": "VARCHAR"}
    path = tmp_path / "train.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert surveyed(config).fingerprint != found.fingerprint
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1] * 2))
    with pytest.raises(InputError, match=r"train.jsonl:2: duplicate id"):
        surveyed(config)


def rows(directory: Path) -> list[dict[str, object]]:
    import json

    return [json.loads(line) for line in (directory / "train.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", [*RESERVED, "Loss", "self_influence_fisher"])
def test_a_column_may_not_have_a_name_of_the_index_s_own(name: str) -> None:
    check_names(["genre"])
    with pytest.raises(InputError, match="has a name that attridex uses itself"):
        check_names(["genre", name])


def test_columns_that_differ_in_case_alone_are_refused() -> None:
    check_names(["genre", "genre", "Other"])
    with pytest.raises(InputError, match="'genre' and 'Genre' differ only in the case of letters"):
        check_names(["genre", "x", "Genre"])
