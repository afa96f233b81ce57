import subprocess
import sys

from attridex.client.studies.registry import on_page, studies, study_names

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
