"""What benchmarks run on can be built and loaded."""

from collections import Counter

import pytest

from attridex.client.benchmarks.scene import VOCABULARY, architecture, configuration, scene, texts, token_batch
from attridex.indexer.signing.signer import Signer

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_texts_are_as_long_as_asked_and_drawn_by_the_seed() -> None:
    drawn = texts(50, 3, 5)
    assert set(Counter(len(text.split()) for text in drawn)) == {3, 4, 5}
    assert drawn == texts(50, 3, 5) != texts(50, 3, 5, seed=1)


def test_a_scene_is_a_model_and_its_corpus_and_is_gone_afterwards() -> None:
    with scene(TINY, texts(4, 3, 5)) as directory:
        signer = Signer.load(configuration(directory, neurons={"enabled": False}))
        assert len(signer.arch.layers) == 2
        assert len((directory / "train.jsonl").read_text().splitlines()) == 4
    assert not directory.exists()


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_has_no_padding(size: int) -> None:
    batch = token_batch(size, 7)
    assert batch.ids.shape == (size, 7)
    assert bool(batch.mask.all())
    assert 5 <= int(batch.ids.min()) <= int(batch.ids.max()) < VOCABULARY
    assert len(architecture(TINY).layers) == 2
