"""Instances: what they are called and known by."""

from dataclasses import replace

from attridex.indexer.corpus.instances import RenderedInstance, content_hash
from attridex.indexer.forms.encoding import Encoding


def test_the_content_decides_the_hash_and_nothing_else() -> None:
    two = Encoding(((1, 2), (3,)))
    one = Encoding(((1, 2, 3),))
    assert content_hash(two, 0) == content_hash(replace(two, types=((0, 0), (0,))), 0)
    others = [
        content_hash(one, 0),
        content_hash(Encoding(((1,), (2, 3))), 0),
        content_hash(two, 1),
        content_hash(two, None),
        content_hash(replace(two, types=((0, 1), (0,))), 0),
        content_hash(replace(one, reads=(0,), wanted=(2,)), None),
        content_hash(replace(one, reads=(1,), wanted=(3,)), None),
        content_hash(replace(one, reads=(0, 1), wanted=(2, 3)), None),
    ]
    assert len({content_hash(two, 0), *others}) == 9


def test_an_instance_counts_its_tokens_and_names_its_label() -> None:
    choice = RenderedInstance("x", ((1, 2), (1, 2, 3)), 1, "", False, {}, outputs=("0", "1"))
    assert (choice.tokens, choice.longest, choice.label_name) == (5, 3, "1")
    target = RenderedInstance("x", ((1, 2),), None, "", False, {}, ("yes",), (0,), (2,))
    assert target.label_name == "yes"
    assert RenderedInstance("x", ((1,),), None, "", False, {}, outputs=("no", "yes")).label_name is None
