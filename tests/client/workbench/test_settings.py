from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from attridex.client.errors import UsageError
from attridex.client.studies.registry import studies
from attridex.client.workbench.settings import Common, load_settings, parsed_settings

KINDS: dict[str, type[Any]] = {name: study.settings for name, study in studies().items()}


@pytest.mark.parametrize("kind", [Common, *KINDS.values()], ids=["shared", *KINDS])
def test_every_setting_is_described_where_it_stands_and_has_a_default(kind: type[Any]) -> None:
    hints, defaults = get_type_hints(kind, include_extras=True), kind()
    assert all(hints[each.name].__metadata__[0] for each in fields(kind))
    assert all(hasattr(defaults, each.name) for each in fields(kind))


def test_a_file_is_read_as_a_table_for_each_study(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("queries = 3\n[overlap]\nk = 2\n")
    found = load_settings(tmp_path / "settings.toml", KINDS)
    assert found.common.queries == 3
    assert found.of("overlap", KINDS["overlap"]).k == 2
    assert found.base == tmp_path
    assert load_settings(None, KINDS).common == Common()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"querys": 1}, "unknown key 'querys'; did you mean 'queries'?"),
        ({"queries": True}, "queries: Input should be a valid integer"),
        ({"queries": -1}, "queries: -1 must not be negative"),
        ([], "a table of settings is needed"),
    ],
)
def test_what_is_no_setting_is_refused(data: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("?", r"\?")):
        parsed_settings(Common, data, "here")
