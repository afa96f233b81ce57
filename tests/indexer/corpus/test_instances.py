"""Instances: what they are called and known by."""

from attridex.indexer.corpus.instances import RenderedInstance, content_hash


def test_the_content_decides_the_hash_and_nothing_else() -> None:
    assert content_hash([[1, 2], [3]], 0) == content_hash(((1, 2), (3,)), 0)
    others = [
        content_hash([[1, 2, 3]], 0),
        content_hash([[1], [2, 3]], 0),
        content_hash([[1, 2], [3]], 1),
        content_hash([[1, 2], [3]], None),
    ]
    assert len({content_hash([[1, 2], [3]], 0), *others}) == 5


def test_an_instance_counts_its_tokens_and_names_its_label() -> None:
    choice = RenderedInstance("x", ((1, 2), (1, 2, 3)), 1, "", False, {}, outputs=("0", "1"))
    assert (choice.tokens, choice.longest, choice.label_name) == (5, 3, "1")
    target = RenderedInstance("x", ((1, 2),), None, "", False, {}, target=1, outputs=("yes",))
    assert target.label_name == "yes"
    assert RenderedInstance("x", ((1,),), None, "", False, {}, outputs=("no", "yes")).label_name is None
