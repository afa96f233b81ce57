"""A language model asked without a target explains what transformers' own `generate(do_sample=False)` says, whatever the form."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from attridex.client import Client, Intervention, Query
from attridex.client.errors import InvalidArgumentError
from attridex.indexer import build, load_config
from attridex.indexer.errors import InputError
from attridex.indexer.forms.messages import Messages
from attridex.indexer.index.directory import read_manifest
from attridex.indexer.signing.signer import Signer
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, open_index
from tests.conftest import tiny_model, write_jsonl, write_toml
from tests.indexer.forms.conftest import CHAT, chat_tokenizer, corpus, turns

MORE = 4
TEMPLATE = "{% for tool in tools or [] %}{{ tool['name'] + ' ' }}{% endfor %}" + CHAT
TALK = turns("system some", "user the dog", "assistant a cat ran", "user a park today")
TOOLS = [{"name": "park"}]
CALLS: dict[str, Callable[[Client, Query], Any]] = {
    "ia": lambda client, query: client.attribute_instances([query], k=3),
    "na": lambda client, query: client.attribute_neurons([query], r=3),
    "na-instances": lambda client, query: client.find_instances_by_neurons([query], k=3),
    "ia-neurons": lambda client, query: client.find_neurons_by_instances([query], r=3),
    "predict": lambda client, query: client.predict([query], interventions=[Intervention("suppress", method="na", r=2)]),
}


def tokens(text: str) -> list[int]:
    """Tokens of a text."""
    return list(chat_tokenizer()(text)["input_ids"])


@dataclass(frozen=True)
class Asked:
    """An input form, its corpus, a query without a target, and the tokens that a user would call `generate` with."""

    corpus: dict[str, Any]
    rows: list[dict[str, Any]]
    query: dict[str, Any]
    prompt: list[int]


def chats(**query: Any) -> Asked:
    """Chats, the last of which the user ends."""
    said = [turns("user the dog", f"assistant {said}") for said in ("a cat", "ran", "not")]
    rows = [{"id": f"t{n}", "chat": each, "tools": None} for n, each in enumerate(said)]
    made = chat_tokenizer(TEMPLATE).apply_chat_template(TALK, tools=query.get("tools"), add_generation_prompt=True)["input_ids"]
    return Asked({"messages": "chat", "tools": "tools"}, rows, {"id": "q", "chat": TALK, **query}, made)


def documents() -> Asked:
    """Documents, of which a text is one."""
    rows = [{"id": f"t{n}", "text": text} for n, text in enumerate(("the dog ran", "a cat paid some", "a lawyer slept today"))]
    return Asked({"documents": "text"}, rows, {"id": "q", "text": "a doctor saw the dog"}, tokens("a doctor saw the dog"))


def encoded(**query: Any) -> Asked:
    """Encoded rows, one of them without a label."""
    rows = [{"id": f"t{n}", "input_ids": [8, 9 + n, 12], "labels": [-100, 9 + n, 12]} for n in range(3)]
    return Asked({"encoded": True}, rows, {"id": "q", "input_ids": [8, 11, 20, 9], **query}, [8, 11, 20, 9])


FORMS = {
    "messages": chats(), "messages with tools": chats(tools=TOOLS), "documents": documents(), "encoded": encoded(),
    "encoded without a loss": encoded(labels=[-100] * 4), "encoded and padded": encoded(
        input_ids=[0, 0, 8, 11, 20, 9], attention_mask=[0, 0, 1, 1, 1, 1]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that chats."""
    place = tmp_path_factory.mktemp("model")
    tiny_model("gpt2", "causal-lm").save_pretrained(place)
    chat_tokenizer(TEMPLATE).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def place(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Asked], Path]:
    """Where an index of a form lies; one a corpus."""
    made: dict[str, Path] = {}

    def index(asked: Asked) -> Path:
        if (key := str(asked.corpus)) not in made:
            made[key] = tmp_path_factory.mktemp("project")
            write_jsonl(made[key] / "rows.jsonl", asked.rows)
            sections = {
                "model": {"path": str(model), "task": "causal-lm", "max_length": 30},
                "corpus": {"files": ["rows.jsonl"], **asked.corpus}, "neurons": {"rule": "gradient"}, "gradients": {"dim": 32},
            }  # fmt: skip
            build(load_config(write_toml(made[key] / "c.toml", sections)), made[key] / "index", show_progress=False)
        return made[key] / "index"

    return index


def generated(model: Path, prompt: list[int], **settings: Any) -> list[int]:
    """What a user's own call gives."""
    own = hf.AutoModelForCausalLM.from_pretrained(model)
    for name, value in settings.items():
        setattr(own.generation_config, name, value)
    said: list[int] = own.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=MORE)[0, len(prompt) :].tolist()
    end = own.generation_config.eos_token_id
    return said[: said.index(end)] if end in said else said


@pytest.fixture
def clients(place: Callable[[Asked], Path]) -> Iterator[Callable[[Asked], tuple[Client, Client]]]:
    """Clients of an index, in this process and over a socket."""
    with ExitStack() as stack:

        def connect(asked: Asked) -> tuple[Client, Client]:
            index = place(asked)
            server = Server({"index": open_index(index, "index")}, ServerOptions("127.0.0.1:0"))
            server.start()
            stack.callback(server.stop, 0)
            return stack.enter_context(Client.local(index)), stack.enter_context(Client(f"127.0.0.1:{server.port}"))

        yield connect


@pytest.mark.parametrize("name", FORMS)
def test_it_is_what_generate_says_in_each_form_and_call(
    model: Path, clients: Callable[[Asked], tuple[Client, Client]], name: str
) -> None:
    asked = FORMS[name]
    said = generated(model, asked.prompt)
    text = chat_tokenizer().decode(said).strip()
    own = hf.AutoModelForCausalLM.from_pretrained(model)
    z = own(input_ids=torch.tensor([asked.prompt + said])).logits[0, len(asked.prompt) - 1 : -1].detach()
    loss = float(torch.nn.functional.cross_entropy(z, torch.tensor(said)))
    query = replace(Query.record(asked.query), max_new_tokens=MORE)
    local, remote = clients(asked)
    for call in CALLS.values():
        (result,), (other,) = call(local, query).results, call(remote, query).results
        prediction = getattr(result, "prediction", None) or result.baseline
        assert (prediction.label, prediction.greedy) == (text, text)
        assert prediction.loss == pytest.approx(loss, rel=1e-5)
        assert other == result


LACKING = {
    "messages": (chats(), "column 'chat' ends with a turn of 'user'"),
    "encoded": (encoded(), "missing column 'labels' (corpus.encoded)"),
    "encoded without a loss": (encoded(labels=[-100] * 4), "no token behind the first has a loss"),
}


@pytest.mark.parametrize("name", LACKING)
def test_a_query_without_a_target_says_how_to_ask(
    place: Callable[[Asked], Path], attridex: Any, tmp_path: Path, name: str
) -> None:
    asked, words = LACKING[name]
    file = write_jsonl(tmp_path / "q.jsonl", [asked.query])
    ran = attridex("query", "ia", "--index", place(asked), "--queries", file, "--json")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert f"query 'q': {words}" in ran.err
    assert "--max-new-tokens N (max_new_tokens) asks about what the model says next" in ran.err
    shown = attridex("show", place(asked), "--queries", file, "--json").lines[0]["sequences"][0]
    assert (shown["ids"], shown["read"], shown["loss"]) == (asked.prompt, [len(asked.prompt) - 1], [])
    line = attridex("query", "na", "--index", place(asked), "--queries", file, "--json", "--max-new-tokens", MORE).lines[0]
    assert line["target"] == line["greedy"]


def test_a_target_that_is_there_is_what_is_asked_about(place: Callable[[Asked], Path]) -> None:
    for asked in (FORMS["messages"], FORMS["encoded"]):
        with Client.local(place(asked)) as client:
            own = Query.record({**asked.rows[0], "id": "q"})
            first, second = client.predict([own]), client.predict([replace(own, max_new_tokens=MORE)])
            assert first.results == second.results


def signer(place: Callable[[Asked], Path], asked: Asked) -> Signer:
    """A signer of its own of an index."""
    return Signer.load(read_manifest(place(asked), "1").config)


def continued(made: Signer, record: dict[str, Any], more: int = MORE) -> tuple[int, ...]:
    """What is said behind a record."""
    begun = made.renderer.prompt(record, "q")
    assert begun is not None
    return made.continued(begun, more).wanted


@pytest.mark.parametrize(
    "settings", [{"repetition_penalty": 3.0}, {"suppress_tokens": [8, 9, 10, 20]}, {"do_sample": True, "temperature": 5.0}]
)
def test_the_model_s_own_generation_settings_hold(place: Callable[[Asked], Path], model: Path, settings: dict[str, Any]) -> None:
    made, asked = signer(place, FORMS["documents"]), FORMS["documents"]
    for name, value in settings.items():
        setattr(made.arch.model.generation_config, name, value)
    assert continued(made, asked.query) == tuple(generated(model, asked.prompt, **settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_beams": 3}, r"beam search \(num_beams = 3\), not greedy"),
        ({"num_return_sequences": 2}, "settings do not go on from it"),
    ],
)
def test_settings_that_are_not_greedy_are_refused(place: Callable[[Asked], Path], settings: dict[str, Any], words: str) -> None:
    made = signer(place, FORMS["documents"])
    for name, value in settings.items():
        setattr(made.arch.model.generation_config, name, value)
    with pytest.raises(InputError, match=f"{words}.*; generate the text yourself and give it as the target$"):
        continued(made, FORMS["documents"].query)


WRONG = {
    "has 2 windows of 30 tokens, a language model goes on from one": (FORMS["documents"], {"text": "the dog " * 20}),
    "the row packs 2 texts, and a language model goes on from one": (FORMS["encoded"], {"position_ids": [0, 1, 0, 1]}),
    "4 tokens over the limit of 30": (FORMS["encoded"], {"input_ids": [8] * 34}),
    "tokens over the limit of 30; set corpus.truncation": (FORMS["messages"], {"chat": [*TALK, *TALK]}),
    "room for 2 of 4 tokens within model.max_length": (FORMS["encoded"], {"input_ids": [8, 11, 20, 9] * 7}),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_continued_is_one_line(place: Callable[[Asked], Path], words: str) -> None:
    asked, change = WRONG[words]
    query = replace(Query.record({**asked.query, **change}), max_new_tokens=MORE)
    with Client.local(place(asked)) as client, pytest.raises(InvalidArgumentError, match=f"^query 'q': .*{words}") as refused:
        client.predict([query])
    assert "\n" not in str(refused.value)


def test_too_long_a_chat_loses_its_oldest_turns_before_it_is_continued() -> None:
    tokenizer = chat_tokenizer(TEMPLATE)
    whole = Messages(corpus(messages="chat", truncation=True), tokenizer, 64).prompt({"chat": TALK}, "q")
    cut = Messages(corpus(messages="chat", truncation=True), tokenizer, 14).prompt({"chat": TALK}, "q")
    kept = tokenizer.apply_chat_template([TALK[0], TALK[3]], add_generation_prompt=True)["input_ids"]
    assert whole is not None
    assert cut is not None
    assert (whole.truncated, cut.truncated, cut.sequences) == (False, True, (tuple(kept),))
