"""Rows that held more than their text: taken where the model's own call says the same of both, else refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attridex.client import Client
from attridex.client.errors import InvalidArgumentError
from attridex.indexer import build, finetune, load_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Surroundings
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.signing.row_checks import RowChecks
from attridex.indexer.structure.calls import takes
from attridex.indexer.training.retraining import Retraining
from tests.indexer.models.plain_models import made

TEXT = [7, 12, 5, 30, 21, 9, 16]
LM, CLASSIFIER = "causal-lm", "sequence-classification"
SAME = {
    "padding before": [("llama", LM), ("opt", LM), ("bloom", LM), ("mpt", LM), ("llama", CLASSIFIER),
        ("modernbert (mean)", CLASSIFIER)],
    "padding behind": [("gpt2", LM), ("gpt2", CLASSIFIER), ("bert", CLASSIFIER), ("roberta", CLASSIFIER)],
    "positions": [("gpt2", LM), ("llama", LM), ("bert", CLASSIFIER)],
    "positions and padding before": [("gpt2", LM), ("llama", LM)],
    "packed": [("gpt2", LM), ("llama", LM), ("mistral", LM)],
}  # fmt: skip
OTHER = {
    "padding before": [("gpt2", LM), ("gpt_neo", LM), ("xglm", LM), ("bert", CLASSIFIER),
        ("roberta", CLASSIFIER), ("modernbert", CLASSIFIER)],
    "padding behind": [("xlnet", CLASSIFIER)],
    "positions": [("roberta", CLASSIFIER), ("mpnet", CLASSIFIER)],
    "positions and padding before": [("bert", CLASSIFIER)],
    "packed": [("bloom", LM), ("opt", LM), ("mpt", LM), ("falcon", LM)],
}  # fmt: skip
AROUND = {
    "padding before": Surroundings(before=(0, 0, 0)),
    "padding behind": Surroundings(behind=(0, 0, 0)),
    "positions": Surroundings(positions=True),
    "positions and padding before": Surroundings(before=(0, 0, 0), positions=True),
    "packed": Surroundings(positions=True, packed=True),
}


def row(kind: str) -> dict[str, list[int]]:
    """The row of a text, as a Trainer hands it over."""
    before, behind = ([0] * 3 * (word in kind) for word in ("before", "behind"))
    ids = {"input_ids": [*before, *TEXT, *behind]}
    mask = {} if kind == "packed" else {"attention_mask": [0] * len(before) + [1] * len(TEXT) + [0] * len(behind)}
    counted = [*range(3), *range(len(TEXT) - 3)] if kind == "packed" else [1] * len(before) + [*range(len(TEXT))]
    return {**ids, **mask, **({"position_ids": counted} if AROUND[kind].positions else {})}


def logits(model: Any, columns: dict[str, list[int]]) -> Tensor:
    named: dict[str, Any] = {name: torch.tensor([column]) for name, column in columns.items()}
    with torch.no_grad():
        found: Tensor = model(**named, **({"use_cache": False} if takes(model, "use_cache") else {})).logits
    return found


def says_the_same(model: Any, kind: str) -> bool:
    """Whether a plain call on the row says what plain calls on its texts alone say."""
    columns = row(kind)
    if not takes(model, "position_ids"):
        columns.pop("position_ids", None)  # so does a Trainer
    whole = logits(model, columns)
    alone = [logits(model, {"input_ids": text}) for text in ([TEXT[:3], TEXT[3:]] if kind == "packed" else [TEXT])]
    start = 3 if "before" in kind else 0
    found = whole[:, start : start + len(TEXT)] if whole.dim() > 2 else whole
    return torch.allclose(found, torch.cat(alone, 1), rtol=0, atol=1e-5)


CASES = [(kind, *case, same) for same, table in ((True, SAME), (False, OTHER)) for kind, cases in table.items() for case in cases]


@pytest.mark.parametrize(("kind", "name", "task", "same"), CASES)
def test_a_row_is_taken_where_the_model_says_the_same_of_it_as_of_its_text_and_else_refused(
    kind: str, name: str, task: str, same: bool
) -> None:
    torch.manual_seed(0)
    model = made(name, task).model
    assert says_the_same(model, kind) == same, "transformers itself has changed"
    checks = RowChecks(Architecture(model))
    instance = RenderedInstance("r", (tuple(TEXT),), 0, "", False, {}, surroundings=(AROUND[kind],))
    if same:
        checks.check(instance)
        return
    with pytest.raises(InputError, match=r"^instance 'r': .*give the text alone as a row") as refused:
        checks.check(instance)
    assert "\n" not in str(refused.value)


ROWS = [{"id": f"r{n}", "input_ids": [1, *range(5, 9 + n)], "labels": [-100, -100, *range(6, 9 + n)]} for n in range(4)]


def padded(record: dict[str, Any]) -> dict[str, Any]:
    count = len(record["input_ids"])
    return {
        "id": record["id"], "input_ids": [0, 0, *record["input_ids"]], "labels": [-100, -100, *record["labels"]],
        "attention_mask": [0, 0, *[1] * count],
    }  # fmt: skip


def config(place: Path, model: Path, rows: list[dict[str, Any]], training: str = "") -> Any:
    (place / "rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rows))
    (place / "c.toml").write_text(
        f'[model]\npath = "{model}"\ntask = "causal-lm"\n[corpus]\nfiles = ["rows.jsonl"]\nencoded = true\n'
        f"[neurons]\nenabled = false\n{training}"
    )
    return load_config(place / "c.toml")


def test_padding_before_a_text_is_refused_before_work_where_positions_are_counted_from_it(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    own = config(tmp_path, model_dir("gpt2", LM), [*ROWS, {**padded(ROWS[0]), "id": "shifted"}])
    with pytest.raises(InputError, match="instance 'shifted': its row holds padding before its text"):
        build(own, tmp_path / "i", show_progress=False)
    assert not (tmp_path / "i" / "shards").exists()
    build(config(tmp_path, model_dir("gpt2", LM), ROWS), tmp_path / "i", show_progress=False)
    with Client.local(tmp_path / "i") as client, pytest.raises(InvalidArgumentError, match="padding before its text"):
        client.predict([padded(ROWS[0])])


def test_padding_before_a_text_changes_nothing_where_positions_are_relative(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    found = []
    for name, rows in (("plain", ROWS), ("padded", [padded(record) for record in ROWS])):
        build(config(tmp_path, model_dir("llama", LM), rows), tmp_path / name, show_progress=False)
        with Client.local(tmp_path / name) as client:
            found.append([each.fields["loss"] for each in client.list_instances(fields=["loss"])])
    assert found[0] == found[1]


@pytest.mark.parametrize("where", ["corpus", "tests"])
def test_what_a_build_refuses_of_a_row_no_training_is_on(where: str, model_dir: Callable[..., Path], tmp_path: Path) -> None:
    model, odd = model_dir("gpt2", LM), {**padded(ROWS[0]), "id": "shifted"}
    (tmp_path / "tests.jsonl").write_text(json.dumps(odd) + "\n")
    training = f'[training]\nbase = "{model}"\ntest_files = {["tests.jsonl"] if where == "tests" else []}\n'
    own = config(tmp_path, model, [*ROWS, *([odd] if where == "corpus" else [])], training)
    with pytest.raises(InputError, match="instance 'shifted': its row holds padding before its text"):
        finetune(own, tmp_path / "tuned", show_progress=False)
    assert not [*tmp_path.glob("tuned*")]
    with pytest.raises(InputError, match="its row holds padding before its text"):
        Retraining(own, tmp_path / "studies").render(odd, "a query")
