"""A training script that has run."""

import pytest
import transformers as hf

from attridex.indexer import KeepCheckpoints
from tests.indexer.trainers.scripts import language_model


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> hf.Trainer:
    """A language model's training that is done, its checkpoints kept and its model saved by the script."""
    trainer = language_model(tmp_path_factory.mktemp("script") / "out", callbacks=[KeepCheckpoints(2)])
    trainer.train()
    trainer.save_model()
    return trainer
