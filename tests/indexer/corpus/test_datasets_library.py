"""Every directory that `datasets` saves or reads gives the same records, and a split that is not there is never another one."""

from pathlib import Path
from typing import Any

import datasets
import pytest

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.datasets_library import read_dataset
from attridex.indexer.errors import InputError
from attridex.indexer.readers.class_labels import all_names

ROWS: list[dict[str, Any]] = [{"id": f"t{number}", "text": "a b", "numbers": [number, 2]} for number in range(3)]


def made(tmp_path: Path) -> None:
    """Directories of every kind with the same records, and another split."""
    train = datasets.Dataset.from_list(ROWS, split="train")
    test = datasets.Dataset.from_list(ROWS[:1], split="test")
    train.with_format("numpy").save_to_disk(str(tmp_path / "alone"))
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(str(tmp_path / "dict"))
    train.save_to_disk(str(tmp_path / "folders/train"))
    (tmp_path / "files/data").mkdir(parents=True)
    train.to_parquet(str(tmp_path / "files/data/train-00000-of-00001.parquet"))
    test.to_parquet(str(tmp_path / "files/data/test-00000-of-00001.parquet"))
    (tmp_path / "lines").mkdir()
    train.to_json(str(tmp_path / "lines/train.jsonl.gz"))


def found(tmp_path: Path, name: str, **settings: Any) -> list[Any]:
    """Values of the records of a directory."""
    corpus = CorpusConfig(dataset=str(tmp_path / name), segments=["{text}"], **settings)
    return [record.values for record in read_dataset(corpus, all_names)]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own copies go to a directory of the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("cached")
def test_every_kind_of_directory_gives_the_same_records(tmp_path: Path) -> None:
    made(tmp_path)
    for name in ("alone", "dict", "folders", "files", "lines"):
        assert found(tmp_path, name) == ROWS, name
    for name in ("files", "lines"):
        assert found(tmp_path, name, streaming=True) == ROWS
    for name in ("dict", "files"):
        assert found(tmp_path, name, split="test") == ROWS[:1]
    assert found(tmp_path, "files", split="train[:2]") == ROWS[:2]
    where = next(read_dataset(CorpusConfig(dataset=str(tmp_path / "dict"), segments=["{text}"]), all_names)).where
    assert where == f"{tmp_path / 'dict'}[train]:0"


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("name", "split", "said"),
    [
        ("alone", "test", "was saved as one dataset without splits; leave it out"),
        ("alone", "train[:1]", "was saved as one dataset without splits"),
        ("dict", "tst", "has no split 'tst'; did you mean 'test'?"),
        ("folders", "other", "has no split 'other'; known: train"),
        ("files", "other", r"cannot be loaded \(other\)"),
        ("none", "train", r"cannot be loaded \(train\)"),
        ("lines/train.jsonl.gz", "train", r'this is a file; give it as files = \["train.jsonl.gz"\]'),
    ],
)
def test_a_split_that_is_not_there_is_refused(name: str, split: str, said: str, tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(InputError, match=said) as raised:
        found(tmp_path, name, split=split)
    assert len(str(raised.value).splitlines()) == 1
