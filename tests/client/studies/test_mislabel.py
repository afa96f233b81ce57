import numpy as np

from attridex.client.studies import mislabel
from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance


def test_a_known_share_of_labels_gets_another_one() -> None:
    labels = {f"t{at}": at % 3 for at in range(50)}
    flips = mislabel.flipped_labels(labels, dict.fromkeys(labels, 3), 0.2, seed=1)
    assert len(flips) == 10
    assert all(0 <= new < 3 and new != labels[one] for one, new in flips.items())
    assert flips == mislabel.flipped_labels(labels, dict.fromkeys(labels, 3), 0.2, seed=1)


def test_a_signal_that_tells_wrong_labels_has_an_auc_of_one() -> None:
    wrong = np.array([True, False, True, False, False])
    draw = mislabel.Suspected(list("abcde"), wrong, {"loss": np.array([5.0, 1.0, 4.0, 2.0, 3.0])}, {})
    rows = mislabel.signal_rows("loss", [draw], 0)
    assert [(row["measure"], row["mean"]) for row in rows] == [("auc", 1.0), ("precision", 1.0)]
    turned = draw._replace(signals={"loss": -draw.signals["loss"]})
    both = mislabel.signal_rows("loss", [draw, turned], 0)
    assert [(row["mean"], row["low"], row["high"]) for row in both] == [(0.5, 0.0, 1.0), (0.5, 0.0, 1.0)], "draws are resampled"


def test_another_label_is_written_so_that_it_is_read_as_that_output() -> None:
    corpus = CorpusConfig(files=["x"], segments=["{text}"])
    stars = RenderedInstance("x", ((1,),), 0, "", False, {"text": "a"}, ("1", "2", "3"))
    assert mislabel.relabelling(stars, corpus, 1) == {"label": "2"}
    offered = RenderedInstance("x", ((1,), (2,)), 0, "", False, {"choices": ["a", "b"]}, ("0", "1"))
    assert mislabel.relabelling(offered, corpus, 1) == {"choices": ["a", "b"], "label": 1}
