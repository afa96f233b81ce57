from attridex.client.figures.palette import LOOKS, OTHER, REFERENCE, Look, Palette
from tests.client.workbench.made import TOLD


def test_a_method_has_one_look_whatever_it_is_used_for() -> None:
    look = Palette.of(()).look
    assert look("ia-neurons/grad-cos") == look("grad-cos") == look("neighbours by grad-cos")
    assert look("self_influence_fisher") == look("influence/fisher") != look("influence/hessian")
    assert look("na") == look("na-instances")
    assert look("ia-neurons/random") != look("random") == REFERENCE, "random neurons are drawn beside those of random instances"


def test_methods_that_studies_compare_differ_in_look() -> None:
    palette = Palette.of(())
    assert len(set(palette.looks.values())) == len(palette.looks) - 1, "NA and NA-Instances share one"


def test_a_method_of_a_stranger_has_a_look_by_its_place_and_baselines_are_grey() -> None:
    palette = Palette.of(TOLD)
    assert palette.look("grad-dot") == LOOKS[0]
    assert [palette.look(f"toy/{name}") for name in ("hessian", "fisher")] == [LOOKS[1], LOOKS[2]]
    assert palette.look("slow") == LOOKS[5], "behind those that are compared unasked"
    assert palette.look("guess").colour == Palette.of(()).look("bm25").colour
    assert palette.look("unheard of") == OTHER


def test_a_study_draws_more_than_methods() -> None:
    own = Palette.of(()).adding({"loss": Look("#000000", "X")})
    assert own.look("loss") == Look("#000000", "X")
    assert own.look("grad-dot") == Palette.of(()).look("grad-dot")
