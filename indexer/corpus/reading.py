"""Reading a corpus: records with their place, from JSONL, CSV, Parquet or a Hugging Face dataset."""

from collections.abc import Iterator
from pathlib import Path

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError, first_line, nearest
from attridex.indexer.record_files import PlacedRecord, read_record_file


def read_records(corpus: CorpusConfig) -> Iterator[PlacedRecord]:
    """All records of a corpus, in order, one at a time.

    Raises:
        InputError: a file is missing, of an unknown kind, or has a line that cannot be read (named).
    """
    if corpus.dataset is not None:
        yield from read_dataset(corpus)
    for name in corpus.files:
        yield from read_record_file(Path(name))


def read_dataset(corpus: CorpusConfig) -> Iterator[PlacedRecord]:
    """A split of a Hugging Face dataset: a name on the Hub, or a directory."""
    import datasets

    name = str(corpus.dataset)
    try:
        if (Path(name) / "dataset_info.json").exists() or (Path(name) / "dataset_dict.json").exists():
            data = datasets.load_from_disk(name)
            data = data[corpus.split] if isinstance(data, datasets.DatasetDict) else data
        else:
            data = datasets.load_dataset(name, corpus.config, split=corpus.split)
    except Exception as error:  # datasets raises dozens of types; each is the user's input or network
        raise InputError(f'corpus.dataset = "{name}": cannot be loaded ({corpus.split}): {first_line(error)}') from None
    for number, values in enumerate(data):
        yield PlacedRecord(values, f"{name}[{corpus.split}]:{number}")


def rendered(corpus: CorpusConfig, renderer: Renderer, *, labels_needed: bool) -> Iterator[tuple[PlacedRecord, RenderedInstance]]:
    """Records with their instances, of which one may give several; an empty `corpus.id` numbers them."""
    for number, record in enumerate(read_records(corpus)):
        values = record.values
        if not corpus.id:
            values = {**values, corpus.id: str(number)}
        elif values.get(corpus.id) in (None, ""):
            raise InputError(
                f"{record.where}: missing column '{corpus.id}' (corpus.id); {nearest(corpus.id, values)}; "
                'id = "" numbers the instances'
            )
        for instance in renderer.instances(values, record.where):
            if labels_needed and instance.label_name is None:
                raise InputError(
                    f"{record.where}: missing column '{corpus.label}' (corpus.label); {nearest(corpus.label, values)}; "
                    'gradients.label = "predicted" needs none'
                )
            yield record, instance
