import pytest

from attridex.client.errors import UsageError
from attridex.client.workbench.methods import (
    NA,
    NA_INSTANCES,
    Kind,
    StudyMethod,
    chosen,
    described,
    method_name,
    scoring_of,
    short_name,
)
from attridex.v1.requests import Scoring
from tests.client.workbench.made import TOLD, made_index

NAMES = {
    "grad-dot": "grad-dot",
    "influence/hessian": "influence (Hessian)",
    "influence/other": "influence (other)",
    "na": "NA",
    "na-instances": "NA-Instances",
    "ia-neurons/influence/hessian": "IA-Neurons: influence (Hessian)",
    "neighbours by na-instances": "neighbours by NA-Instances",
    "self_influence": "self-influence",
    "self_influence_ekfac": "self-influence (EK-FAC)",
    "whole corpus": "whole corpus",
}


@pytest.mark.parametrize(("name", "title"), NAMES.items())
def test_a_short_name_is_read_and_written_without_loss(name: str, title: str) -> None:
    assert StudyMethod.parse(name).name == name
    assert method_name(name) == title


def test_a_method_keeps_its_curvature_whatever_it_is_used_for() -> None:
    method = StudyMethod("influence", "fisher")
    assert method.used_for(Kind.IA_NEURONS).name == "ia-neurons/influence/fisher"
    assert StudyMethod.parse("self_influence_fisher").plain == method.name
    assert method.path == "influence-fisher"
    assert short_name("ia-neurons/grad-dot") == "IA: grad-dot"


def test_methods_of_a_server_that_describes_none_are_known_by_themselves() -> None:
    names = [method.name for method in chosen((), made_index())]
    assert names == ["grad-dot", "influence/hessian", "influence/fisher", "random", "na-instances"]
    assert [method.name for method in chosen(("lissa/fisher", "lissa/fisher"), made_index())] == ["lissa/fisher"]


def test_methods_are_compared_as_the_server_describes_them() -> None:
    index = made_index(methods=("toy", "slow", "guess"), method_details=TOLD, manifest={"neurons": None})
    assert [method.name for method in chosen((), index)] == ["toy/hessian", "toy/fisher", "guess"]
    assert scoring_of(StudyMethod("toy", "fisher"), index, 3) == Scoring("toy", "fisher", seed=3)
    assert scoring_of(StudyMethod("guess"), index, 3) == Scoring("guess")


def test_what_an_index_does_not_answer_is_refused_with_what_it_does() -> None:
    says = "methods: 'influence' is not answered by this index; it answers grad-dot, influence/fisher, influence/hessian, lissa"
    with pytest.raises(UsageError, match=says):
        chosen(("influence",), made_index())


def test_what_nobody_describes_is_no_baseline() -> None:
    assert described((), "random").baseline
    assert not described(TOLD, "unheard of").baseline
    assert {NA.name, NA_INSTANCES.name} == {"na", "na-instances"}
