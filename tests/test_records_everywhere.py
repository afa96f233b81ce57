"""One record is one text and one set of columns everywhere: in the corpus, as a query over the wire, and as it is stored."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers

from attridex.client import Client, Query
from attridex.client.errors import ClientError
from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from attridex.indexer.index.directory import read_manifest
from attridex.service.errors import InvalidArgumentError
from attridex.service.reading.asked import record_of
from attridex.service.storage.version import IndexVersion
from attridex.v1.exact_values import InexactNumber
from tests.conftest import records

NUMBERS = (3, 3.0, 2.50, 1e16, 10**16, 2**53 + 1, 12345678901234567890, 1e22, 10**22, -0.0, 0.1, 1e-7, 123456789.0)
PLAIN: dict[str, Any] = {"neurons": {"enabled": False}}


def numbers_model(source: Path, directory: Path) -> Path:
    """The tiny model with a tokenizer that knows each number by the text that Python writes."""
    shutil.copytree(source, directory)
    words = ["<pad>", "<s>", "<unk>", "year", *map(str, NUMBERS)]
    raw = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    hf.PreTrainedTokenizerFast(tokenizer_object=raw, **named).save_pretrained(directory)
    return directory


def test_a_number_reads_the_same_in_the_corpus_in_a_query_and_as_it_is_stored(
    project: Callable[..., Path], model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    path = numbers_model(model_dir("llama"), tmp_path / "model")
    data = [{"id": f"t{at}", "year": number, "label": at % 3} for at, number in enumerate(NUMBERS)]
    config = project("llama", model={"path": str(path)}, corpus={"segments": ["year {year}"], "metadata": []}, **PLAIN)
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in data))
    build(load_config(config), tmp_path / "i", show_progress=False)
    model = hf.AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.no_grad():
        right = [model(torch.tensor([[1, 3, 4 + at]])).logits[0].softmax(-1).tolist() for at in range(len(NUMBERS))]
    with Client.local(tmp_path / "i") as client:
        asked = [Query.record({**record, "id": f"q{record['id']}"}) for record in data]
        stored = [Query.instance(record["id"]) for record in data]
        for answer in (client.predict(asked), client.predict(stored)):
            for expected, result in zip(right, answer.results, strict=True):
                assert list(result.baseline.probabilities.values()) == pytest.approx(expected, abs=1e-5)
        shown = client.get_instances([record["id"] for record in data], fields=["year"])
        assert [each.fields["year"] for each in shown] == list(map(str, NUMBERS))
        hits = client.attribute_instances(asked, method="bm25", k=1)
        assert [result.hits[0].id for result in hits.results if result.hits[0].score][:2] == ["t0", "t1"]


TYPED: dict[str, Any] = {
    "day": [dt.date(2021, 5, at + 1) for at in range(4)],
    "moment": [dt.datetime(2020, 1, at + 1, 3, tzinfo=dt.UTC) for at in range(4)],
    "price": [Decimal("1.10") + at for at in range(4)],
    "big": [2**53 + 1, 2**62 + 1, 5, None],
    "huge": pa.array([2**63 + 5, 1, 2, 3], pa.uint64()),
    "tags": [["a", "b"], [], None, ["c"]],
    "sure": [True, False, None, True],
    "score": [9, 8, 7, 6],
}
SHOWN: dict[str, list[Any]] = {
    "day": ["2021-05-01", "2021-05-02", "2021-05-03", "2021-05-04"],
    "moment": [f"2020-01-0{at + 1}T03:00:00" for at in range(4)],
    "price": ["1.10", "2.10", "3.10", "4.10"],
    "big": TYPED["big"],
    "huge": [2**63 + 5, 1, 2, 3],
    "tags": TYPED["tags"],
    "sure": TYPED["sure"],
    "score": TYPED["score"],
}


@pytest.fixture
def typed(project: Callable[..., Path], tmp_path: Path) -> Path:
    """An index of a Parquet corpus with columns of many types."""
    table = {name: [record[name] for record in records(4)] for name in ("id", "premise", "hypothesis", "label")}
    config = project(corpus={"files": ["train.parquet"], "metadata": list(TYPED)}, **PLAIN)
    pq.write_table(pa.table({**table, **TYPED}), tmp_path / "train.parquet")
    build(load_config(config), tmp_path / "i", show_progress=False)
    return tmp_path / "i"


def test_typed_columns_come_back_and_are_filtered_in_their_own_type(typed: Path, attridex: Any, tmp_path: Path) -> None:
    def found(where: str) -> list[str]:
        ran = attridex("query", "ia", "--index", typed, "--instance", "t0", "--k", "4", "--json", "--where", where)
        assert ran.code == 0, ran.err
        return sorted(hit["id"] for hit in ran.lines[0]["hits"])

    with Client.local(typed) as client:
        ids = [f"t{at}" for at in range(4)]
        for each, at in zip(client.get_instances(ids, fields=list(TYPED)), range(4), strict=True):
            assert dict(each.fields) == {name: values[at] for name, values in SHOWN.items()}
    for where, ids in {
        "day = '2021-05-02'": ["t1"], "day > '2021-05-02' AND moment <= '2020-01-03'": [], "moment < '2020-01-03'": ["t0", "t1"],
        "price = 1.10": ["t0"], "price > 2 AND price != '4.10'": ["t1", "t2"], f"big = {2**53 + 1}": ["t0"],
        f"big = {2**53}": [], f"huge = {2**63 + 5}": ["t0"], f"huge = {2**63 + 6}": [], "tags = 'c'": ["t3"],
        "tags IN ('a', 'c')": ["t0", "t3"], "tags IS NULL": ["t2"], "sure": ["t0", "t3"], "NOT sure": ["t1"],
    }.items():  # fmt: skip
        assert found(where) == ids, where
    refused = attridex("query", "ia", "--index", typed, "--instance", "t0", "--where", "day = 'May'")
    assert (refused.code, "holds a date, as '2021-05-02'" in refused.err) == (2, True)


def test_a_column_never_hides_what_is_a_hit_s_own(typed: Path, attridex: Any) -> None:
    ran = attridex("query", "ia", "--index", typed, "--instance", "t0", "--k", "1", "--json", "--fields", "score,label")
    (hit,) = ran.lines[0]["hits"]
    assert hit["fields.score"] == 9
    assert hit["score"] != 9
    with Client.local(typed) as client:
        (row,) = client.attribute_instances([Query.instance("t0")], k=1, fields=["score", "id"]).rows()
        assert {row["fields.score"], row["id"], row["score"] == hit["score"]} == {9, "t0", True}


def test_a_whole_number_that_came_as_a_double_is_refused_where_its_digits_are_read(typed: Path) -> None:
    lossy = {"premise": InexactNumber(1e16), "hypothesis": "b"}
    version = IndexVersion(typed, "1", verify=False)
    try:
        with pytest.raises(InvalidArgumentError, match="query 'q': column 'premise' came as the double"):
            record_of(version, lossy, "q")
        assert record_of(version, {"other": InexactNumber(1e16)}, "q")
    finally:
        version.close()


def test_lines_of_json_end_where_every_reader_ends_them(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project(**PLAIN)
    data = [{**record, "premise": f"{record['premise']} \u2028 \x85 \u2029"} for record in records(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in data))
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    ran = attridex("query", "ia", "--index", tmp_path / "i", "--instance", "t0", "--json")
    assert [json.loads(line)["query"] for line in ran.out.splitlines()] == ["t0"]
    assert ran.lines[0]["hits"][0]["premise"].endswith("\u2028 \x85 \u2029")


def test_a_build_lists_what_it_leaves_out(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    config = project(**PLAIN)
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write("".join(json.dumps({**record, "id": f"bad-{record['id']}", "label": None}) + "\n" for record in records(12)))
    refused = attridex("build", config, "--out", tmp_path / "i")
    assert refused.code == 2
    assert "at least 10 records cannot be used (--skip-bad leaves them out)" in refused.err
    assert not (tmp_path / "i").exists()
    dry = attridex("build", config, "--out", tmp_path / "i", "--dry-run", "--skip-bad", "--json")
    assert dry.lines[0]["left_out"] == 12
    ran = attridex("build", config, "--out", tmp_path / "i", "--skip-bad")
    assert ran.code == 0
    lines = ran.err.splitlines()
    assert sum(line.startswith("left out: bad-t") for line in lines) == 10
    assert "left out: 2 more" in ran.err
    manifest = read_manifest(tmp_path / "i", "1")
    assert (manifest.instances, [entry.position for entry in manifest.bad]) == (12, list(range(12, 24)))
    assert attridex("build", config, "--out", tmp_path / "i", "--skip-bad").code == 0  # nothing to do, nothing refused
    assert attridex("query", "ia", "--index", tmp_path / "i", "--instance", "t0", "--json").code == 0


def test_classes_of_a_dataset_name_the_outputs_of_a_model_that_has_only_numbers(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    data = datasets.Dataset.from_list(records(6)).cast_column("label", datasets.ClassLabel(names=["x", "y", "z"]))
    data.save_to_disk(str(tmp_path / "saved"))
    config = project(corpus={"files": [], "dataset": "./saved", "metadata": []}, **PLAIN)
    build(load_config(config), tmp_path / "i", show_progress=False)
    manifest = read_manifest(tmp_path / "i", "1")
    assert manifest.model.labels == manifest.config.corpus.labels == ["x", "y", "z"]
    with Client.local(tmp_path / "i") as client:
        assert [each.fields["label"] for each in client.get_instances(["t0", "t1", "t2"], fields=["label"])] == ["x", "y", "z"]
        query = {key: value for key, value in records(1)[0].items() if key in ("premise", "hypothesis")}
        answered = client.attribute_instances([{**query, "id": "q", "label": "y"}], k=1, label="gold")
        assert answered.results[0].prediction is not None
        assert answered.results[0].prediction.label == "y"
        with pytest.raises(ClientError, match="label 'w' is none of the model's outputs: x, y, z"):
            client.attribute_instances([{**query, "id": "q", "label": "w"}], k=1, label="gold")
