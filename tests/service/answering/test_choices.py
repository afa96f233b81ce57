"""What a query may choose: the output that neurons are scored for, and what a language model says next as its target."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from attridex.indexer.index.directory import read_manifest
from attridex.indexer.signing.signer import Signer
from tests.conftest import Ran, records, write_jsonl

Asked = Callable[..., Ran]
FEW: dict[str, Any] = {"neurons": {"steps": 3}}


@pytest.fixture
def built(indexed: Callable[..., Path], served_at: Callable[[Path], str], attridex: Asked) -> Callable[..., Asked]:
    """Ask an index of a task."""

    def ask(task: str, **sections: Any) -> Asked:
        address = served_at(indexed("gpt2", 6, task, **FEW, **sections) / "index")
        return lambda *command: attridex(*command, "--server", address, "--json")

    return ask


def test_neurons_of_another_output_than_the_predicted_one_can_be_asked_for(built: Callable[..., Asked]) -> None:
    ask = built("sequence-classification")
    own = ask("query", "na", "--instance", "t2", "--r", 0).lines[0]
    same = ask("query", "na", "--instance", "t2", "--r", 0, "--output", own["predicted"]).lines[0]
    assert [n["unit"] for n in same["neurons"]] == [n["unit"] for n in own["neurons"]]
    other = next(name for name in ("LABEL_0", "LABEL_1", "LABEL_2") if name != own["predicted"])
    assert ask("query", "na", "--instance", "t2", "--r", 0, "--output", other).lines[0]["neurons"] != same["neurons"]


def test_a_choice_s_neurons_are_scored_in_its_own_sequence(built: Callable[..., Asked]) -> None:
    ask = built("multiple-choice")
    found = [ask("query", "na", "--instance", "t2", "--output", choice).lines[0]["neurons"] for choice in ("0", "1", "2")]
    assert found[0] != found[1] != found[2]
    assert "output '7'" in ask("query", "na", "--instance", "t2", "--output", "7").err


@pytest.mark.parametrize(
    ("task", "command", "said"),
    [
        ("sequence-classification", ("query", "na", "--output", "LABEL_9"), "output 'LABEL_9'"),
        ("sequence-classification", ("query", "ia", "--output", "LABEL_1"), "only the neurons of a text"),
        ("sequence-classification", ("query", "ia", "--max-new-tokens", 3), "only a language model goes on"),
        ("causal-lm", ("query", "na", "--output", "dog"), "causal-lm explains its target"),
    ],
)
def test_a_choice_that_means_nothing_is_one_line(
    built: Callable[..., Asked], indexed: Callable[..., Path], task: str, command: tuple[Any, ...], said: str
) -> None:
    ran = built(task)(*command, "--queries", indexed("gpt2", 6, task, **FEW) / "queries.jsonl")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
    assert said in ran.err


@pytest.mark.parametrize("form", [{}, {"segments": [], "text": "Premise : {premise} / Answer :", "target": " {answer}"}])
def test_a_language_model_asked_without_a_target_explains_what_it_says_next(
    built: Callable[..., Asked],
    indexed: Callable[..., Path],
    tmp_path: Path,
    form: dict[str, Any],
    model_dir: Callable[..., Path],
) -> None:
    ask = built("causal-lm", corpus=form)
    row = records(4)[3]
    prompt, directory = {name: row[name] for name in ("id", "premise")}, model_dir("gpt2", "causal-lm")
    tokenizer, model = hf.AutoTokenizer.from_pretrained(directory), hf.AutoModelForCausalLM.from_pretrained(directory)
    ids = [*([] if form else [1]), *tokenizer(f"Premise : {row['premise']} / Answer :")["input_ids"]]
    said: list[int] = []
    for _ in range(4):  # the plain way: the most probable token, four times
        said.append(int(model(input_ids=torch.tensor([ids + said])).logits[0, -1].argmax()))
    said = said[: said.index(1)] if 1 in said else said
    signer = Signer.load(read_manifest(indexed("gpt2", 6, "causal-lm", **FEW, corpus=form) / "index", "1").config)
    begun = signer.renderer.prompt(prompt, "row")
    assert begun is not None
    made = signer.continued(begun, 4)
    assert made.sequences == ((*ids, *said),)
    assert made.wanted == tuple(said)
    z = model(input_ids=torch.tensor([ids + said])).logits[0, len(ids) - 1 : -1].detach()
    assert signer.sign([made])[0].loss == pytest.approx(float(torch.nn.functional.cross_entropy(z, torch.tensor(said))), rel=1e-4)
    file = write_jsonl(tmp_path / "prompt.jsonl", [prompt])
    for command in (("query", "ia", "--k", 3), ("query", "na"), ("predict", "--suppress", "na:2")):
        line = ask(*command, "--max-new-tokens", 4, "--queries", file).lines[0]
        assert line["greedy"] == tokenizer.decode(said).strip()
    assert "missing column 'answer'" in ask("query", "ia", "--queries", file).err


def test_a_prompt_without_room_to_go_on_is_one_line(built: Callable[..., Asked], tmp_path: Path) -> None:
    ask = built("causal-lm", model={"max_length": 15})
    file = write_jsonl(tmp_path / "prompt.jsonl", [{"id": "q", "premise": "a doctor saw the dog ran today park ."}])
    ran = ask("query", "ia", "--max-new-tokens", 4, "--queries", file)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran.err
    assert "there is no room to go on" in ran.err
