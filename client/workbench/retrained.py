"""What the retraining studies share: the configuration, the tests, and models trained on parts of the corpus."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attridex.client.records import read_records
from attridex.client.workbench.context import Context, NotPossibleError, file_in, sampled
from attridex.indexer.readers.record_files import PlacedRecord

if TYPE_CHECKING:
    from attridex.indexer.config import Config
    from attridex.indexer.training.retraining import Retraining

MODELS = "models"


def training_configuration(context: Context) -> "Config":
    """The configuration that the index's model was trained with: the one that is named, or the index's own.

    Raises:
        NotPossibleError: it has no [training] section.
        MissingPackageError: the extra `indexer` is not installed.
    """
    from attridex.client.start import check_local

    check_local()
    from attridex.indexer.config import Config, load_config, stored

    own = context.index.manifest["config"]
    config = load_config(context.training) if context.training else Config.model_validate(stored(own))
    if config.training is None:
        raise NotPossibleError(
            "this study retrains the model, and the index's configuration has no [training] section; "
            "name one that has: --config FILE"
        )
    return config


def retraining(context: Context, config: "Config") -> "Retraining":
    """Models trained on parts of the corpus, kept in the run's directory."""
    from attridex.indexer.training.retraining import Retraining

    return Retraining(config, context.work(MODELS))


def test_records(context: Context, config: "Config", name: str, count: int, where: str) -> list[PlacedRecord]:
    """Test records with their places, drawn by the seed: of the file that the settings name, or the training's first test file.

    Args:
        context: the run.
        config: the training's configuration.
        name: of the file, as the settings have it; may be empty.
        count: how many are drawn; 0 takes all.
        where: begins messages.

    Raises:
        NotPossibleError: there is no test file.
    """
    files = config.training.test_files if config.training else []
    if name:
        path = file_in(context.base, name, f"{where} tests")
    elif files:
        path = Path(files[0])
    else:
        raise NotPossibleError(f"{where}: no test file; name one as tests = FILE, or training.test_files in the configuration")
    from attridex.indexer.corpus.reading import dialect_of, named_classes

    read = read_records(path, dialect_of(config.corpus), by_name=named_classes(config.corpus, config.model.task))
    records = [PlacedRecord(record, f"{path}: '{record['id']}'") for record in read]
    limits = [limit for limit in (count, context.limit) if limit]
    return sampled(records, min(limits, default=0), context.seed)


def majority_share(labels: Sequence[Any]) -> dict[str, float]:
    """Accuracy of one answer to all tests, the most frequent label; nothing where there are no labels."""
    counts = Counter(label for label in labels if label is not None)
    return {"majority": round(max(counts.values()) / len(labels), 4)} if counts else {}
