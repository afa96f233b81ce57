import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from attridex.client.errors import UsageError
from attridex.client.studies import lds, registry
from attridex.client.studies.registry import GROUP, on_page, studies, study_names

LATER = ("matplotlib", "pandas", "scipy", "pyarrow", "jinja2", "torch", "pydantic")


def test_studies_run_in_their_order_and_the_page_ends_with_single_answers() -> None:
    assert study_names() == tuple(studies()) == (
        "evidence", "faithfulness", "overlap", "diversity", "agreement", "artefacts", "lds", "mislabel", "finetune-subsets",
    )  # fmt: skip
    assert [study.name for study in on_page()] == [*study_names()[1:], "evidence"]


def test_names_are_known_without_what_is_heavy() -> None:
    code = f"""
import sys
from attridex.client.studies.registry import studies
assert studies()
heavy = set({LATER!r}) & set(sys.modules)
assert not heavy, heavy
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_every_study_says_what_it_measures() -> None:
    for study in studies().values():
        assert study.title
        assert study.measured.endswith(".")
        assert study.run.__doc__


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (EntryPoint("toy", "nowhere:STUDY", GROUP), "'toy' (nowhere:STUDY) cannot be loaded: ModuleNotFoundError"),
        (EntryPoint("toy", "json:dumps", GROUP), "'toy' (json:dumps) is no Study object of that name"),
        (EntryPoint("toy", f"{lds.__name__}:STUDY", GROUP), "is no Study object of that name"),
        (EntryPoint("lds", "nowhere:STUDY", GROUP), "'nowhere:STUDY' is named 'lds' as another study is"),
    ],
)
def test_a_study_of_others_that_is_none_is_named(entry: EntryPoint, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    with pytest.raises(UsageError, match=re.escape(says)):
        studies()
