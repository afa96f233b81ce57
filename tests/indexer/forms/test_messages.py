"""Chats: the ids that the chat template gives, a loss on what the assistant says, whole turns left out where one is too long."""

import json
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.config import parse_config
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding
from attridex.indexer.forms.messages import Messages
from tests.conftest import write_jsonl
from tests.indexer.forms.conftest import CHAT, MARKED, chat_tokenizer, corpus, turns

CONTENT = "{{ message['content'] }}"
LAST_DIFFERS = CHAT.replace(CONTENT, "{% if loop.last and message['role'] == 'assistant' %}{{ 'the ' }}{% endif %}" + CONTENT)
STRICT = (
    "{% for m in messages %}{% if not loop.first and m.role == messages[loop.index0 - 1].role %}"
    "{{ raise_exception('one by one') }}{% endif %}{% endfor %}"
)
TOKENIZER = chat_tokenizer()


def encode(messages: Any, *, limit: int = 64, template: str = CHAT, **settings: Any) -> Encoding:
    form = Messages(corpus(messages="chat", chat_template=template, **settings), TOKENIZER, limit)
    (found,) = form.encode({"chat": messages, "tools": [{"name": "park"}]}, "f:1")
    return found


def said(found: Encoding) -> str:
    """The tokens with a loss, as text; each must stand behind the position that decides it."""
    ids = found.sequences[0]
    assert tuple(ids[read + 1] for read in found.reads) == found.wanted
    return str(TOKENIZER.decode(found.wanted))


TALK = turns("system some", "user the dog", "assistant a cat ran", "user a park", "assistant slept today")


@pytest.mark.parametrize("template", [CHAT, MARKED])
@pytest.mark.parametrize(("loss_on", "expected"), [("assistant", "a cat ran <s> slept today <s>"), ("last", "slept today <s>")])
def test_what_the_assistant_says_has_a_loss(template: str, loss_on: str, expected: str) -> None:
    found = encode(TALK, template=template, loss_on=loss_on)
    assert found.sequences[0] == tuple(TOKENIZER.apply_chat_template(TALK, chat_template=template)["input_ids"])
    assert said(found) == expected
    assert found.outputs == (expected.replace(" <s>", "").replace("ran slept", "ran\nslept"),)


def test_everything_but_the_first_token_may_have_a_loss() -> None:
    found = encode(TALK, loss_on="all")
    assert found.wanted == found.sequences[0][1:]


def test_marks_are_those_of_transformers() -> None:
    found = encode(TALK, template=MARKED)
    own = TOKENIZER.apply_chat_template(TALK, chat_template=MARKED, return_dict=True, return_assistant_tokens_mask=True)
    marked = tuple(token for token, mark in zip(own["input_ids"], own["assistant_masks"], strict=True) if mark)
    assert found.wanted == marked


def test_the_template_is_given_the_tools() -> None:
    template = "{% for tool in tools or [] %}{{ tool['name'] + ' ' }}{% endfor %}" + CHAT
    shown = encode(TALK, template=template, tools="tools")
    assert TOKENIZER.decode(shown.sequences[0]).startswith("park ")
    assert not TOKENIZER.decode(encode(TALK, template=template, tools="").sequences[0]).startswith("park ")


BESIDE = {
    "tools": ("{% for tool in tools or [] %}{{ tool['name'] + ' ' }}{% endfor %}", [{"name": "park"}]),
    "chat_template_kwargs": ("{% if thinking %}{{ 'park ' }}{% endif %}", {"thinking": True}),
}
"""What a template reads beside the messages, and what TRL gives it of a record's columns so named."""


@pytest.mark.parametrize("setting", BESIDE)
@pytest.mark.parametrize("talk", [TALK, TALK[:2]])
def test_what_trl_gives_a_template_is_named_or_refused(setting: str, talk: list[dict[str, str]]) -> None:
    shows, value = BESIDE[setting]
    given = {"tools": value} if setting == "tools" else value

    def read(record: dict[str, Any], template: str = shows + CHAT, **settings: Any) -> tuple[int, ...]:
        form = Messages(corpus(messages="chat", chat_template=template, **settings), TOKENIZER, 64)
        found = form.encode(record, "f:1")[0] if talk == TALK else form.prompt(record, "f:1")
        assert found is not None
        return found.sequences[0]

    def called(**options: Any) -> tuple[int, ...]:
        asked = {"chat_template": shows + CHAT, "add_generation_prompt": talk != TALK, **options}
        return tuple(TOKENIZER.apply_chat_template(talk, **asked)["input_ids"])

    with pytest.raises(InputError, match=f'^f:1: the chat template reads the column .{setting}.*corpus.{setting} = "{setting}"'):
        read({"chat": talk, setting: value})
    assert read({"chat": talk, setting: value}, **{setting: ""}) == called()
    assert read({"chat": talk, "own": json.dumps(value)}, **{setting: "own"}) == called(**given) != called()
    assert read({"chat": talk, setting: value}, CHAT) == read({"chat": talk, setting: None}) == called()
    assert read({"chat": talk, setting: "of another kind"}) == called()
    other = next(name for name in BESIDE if name != setting)
    assert read({"chat": talk, setting: value, other: "of another kind"}, **{setting: setting}) == called(**given)


def test_what_the_tokenizer_s_call_takes_itself_is_no_column_s_to_say() -> None:
    form = Messages(corpus(messages="chat", chat_template=CHAT, chat_template_kwargs="own"), TOKENIZER, 64)
    for name in ("chat_template", "tools", "add_generation_prompt", "tokenize", "truncation", "max_length"):
        for talk, read in ((TALK, form.encode), (TALK[:2], form.prompt)):
            with pytest.raises(
                InputError, match=rf"^f:1: column 'own' \(corpus.chat_template_kwargs\) holds '{name}'"
            ) as refused:
                read({"chat": talk, "own": {"thinking": True, name: None}}, "f:1")
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("setting", BESIDE)
def test_a_column_that_no_record_has_is_refused(setting: str, tmp_path: Path) -> None:
    settings = corpus(files=[str(tmp_path / "f.jsonl")], messages="chat", chat_template=CHAT, **{setting: "wool"})
    renderer = Renderer(settings, Messages(settings, TOKENIZER, 64), [], TOKENIZER.decode, task="causal-lm")
    rows = [{"id": number, "chat": TALK} for number in range(2)]

    def read(rows: list[dict[str, Any]]) -> int:
        write_jsonl(tmp_path / "f.jsonl", rows)
        return sum(1 for _ in rendered(settings, renderer, labels_needed=True))

    assert read([rows[0], {**rows[1], "wool": None}]) == 2
    with pytest.raises(InputError, match=rf"^corpus\.{setting}: no record has a column 'wool'; did you mean 'tool'"):
        read([rows[0], {**rows[1], "tool": None}])


def test_messages_may_be_json_and_are_stored_so() -> None:
    found = encode(json.dumps(TALK))
    assert found == encode(TALK)
    assert json.loads(found.fields["chat"]) == TALK


def test_too_long_a_chat_loses_its_oldest_turns_whole_and_keeps_its_system_message() -> None:
    whole = encode(TALK)
    with pytest.raises(InputError, match=r"f:1: 1 tokens over the limit of \d+; set corpus.truncation = true"):
        encode(TALK, limit=len(whole.sequences[0]) - 1)
    found = encode(TALK, limit=len(whole.sequences[0]) - 1, truncation=True)
    assert found.truncated
    assert found.sequences == encode([TALK[0], *TALK[3:]]).sequences
    assert said(found) == "slept today <s>"
    assert not encode(TALK, truncation=True).truncated
    with pytest.raises(InputError, match="even with the last turns alone"):
        encode(TALK, limit=4, truncation=True)


def test_a_template_that_puts_a_turn_otherwise_when_others_follow_is_refused() -> None:
    with pytest.raises(InputError, match="f:1: the chat template puts message 2 otherwise") as refused:
        encode(TALK, template=LAST_DIFFERS)
    assert "\n" not in str(refused.value)
    assert said(encode(TALK, template=LAST_DIFFERS, loss_on="last")) == "the slept today <s>"


ADJACENT = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{{ ' ' }}"
    "{% else %}{{ m.content + ' <s> ' }}{% endif %}{% endfor %}"
)
"""A template that puts nothing between two turns of the assistant."""
BLOCKS = MARKED.replace("{% endgeneration %}", "{% endgeneration %}{{ ' / ' }}{% generation %}{{ 'park' }}{% endgeneration %}")
"""One with two marked stretches in a turn."""
TURNS = turns("user the dog", "assistant a cat", "assistant ran today")


@pytest.mark.parametrize(
    ("template", "expected"),
    [(ADJACENT, "ran today"), (BLOCKS, "ran today <s> park"), (MARKED, "ran today <s>"), (CHAT, "ran today <s>")],
)
def test_the_last_turn_is_one_turn_whatever_is_marked_around_it(template: str, expected: str) -> None:
    assert said(encode(TURNS, template=template, loss_on="last")) == expected
    assert said(encode([*TURNS[:2], *turns("user some"), TURNS[2]], template=template, loss_on="last")) == expected


def test_a_last_turn_without_a_mark_is_refused_and_no_other_taken_for_it() -> None:
    first = MARKED.replace("message['role'] == 'assistant'", "message['role'] == 'assistant' and not loop.last")
    with pytest.raises(InputError, match=r"^f:1: column 'chat' has no token with a loss: .* marks none of it"):
        encode(TALK, template=first, loss_on="last")
    moving = ADJACENT.replace("m.role == 'assistant'", "m.role == 'assistant' and (loop.last or loop.index0 == 3)")
    with pytest.raises(InputError, match=r"^f:1: the chat template puts message 2 otherwise"):
        encode(TURNS, template=moving, loss_on="last")


@pytest.mark.parametrize("system", ["", "{% if messages[0].role != 'system' %}{{ 'system : some <s> ' }}{% endif %}"])
@pytest.mark.parametrize("loss_on", ["assistant", "last"])
def test_a_chat_that_begins_with_the_assistant_has_a_loss_on_its_words_alone(system: str, loss_on: str) -> None:
    for talk in (turns("assistant a cat ran"), turns("assistant a cat ran", "user a park", "assistant slept today")):
        marked = encode(talk, template=system + MARKED, loss_on=loss_on)
        assert said(encode(talk, template=system + CHAT, loss_on=loss_on)) == said(marked)
    with pytest.raises(InputError, match="the chat begins with the assistant, and the chat template's prompt for it"):
        encode(turns("assistant a cat ran"), template=CHAT.split("{% if add_generation_prompt")[0])


def test_a_prompt_that_no_turn_begins_with_is_the_reason_that_is_told() -> None:
    thinking = CHAT.replace("'assistant : '", "'assistant : / '")
    with pytest.raises(InputError, match=r"message 2 does not begin with the chat template's prompt .*, 'assistant : / '"):
        encode(TALK, template=thinking)
    assert said(encode(TALK, template=thinking, loss_on="all"))


WRONG = {
    r"missing column 'chat' \(corpus.messages\)": {"chats": []},
    "holds .*; a list of messages is needed": {"chat": "hello"},
    "a list of messages is needed, ": {"chat": []},
    "each with \"role\"": {"chat": [{"from": "user", "value": "the"}]},
    "no turn of the assistant": {"chat": turns("user the dog")},
    "the chat template refuses the messages: .*one by one": {"chat": turns("user the", "user a", "assistant cat")},
    "message 1 of column 'chat' has the role 'assistent'; did you mean 'assistant'": {"chat": turns("user the", "assistent a")},
    "message 0 .* has the role 'User'; did you mean 'user'": {"chat": turns("User the", "assistant a")},
    "must hold a list of JSON schemas": {"chat": TALK, "tools": "park"},
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_chat_is_refused_in_one_line(message: str) -> None:
    form = Messages(corpus(messages="chat", tools="tools", chat_template=STRICT + CHAT), TOKENIZER, 64)
    with pytest.raises(InputError, match=f"^f:1: .*{message}") as refused:
        form.encode(WRONG[message], "f:1")
    assert "\n" not in str(refused.value)


def test_a_template_is_needed_and_today_s_date_is_refused() -> None:
    with pytest.raises(InputError, match=r'the tokenizer has no chat template; give one as corpus\.chat_template = "FILE"'):
        Messages(corpus(messages="chat"), TOKENIZER, 64)
    with pytest.raises(InputError, match="shows today's date"):
        Messages(corpus(messages="chat", chat_template="{{ strftime_now('%d') }}" + CHAT), TOKENIZER, 64)


def test_a_template_s_file_is_read_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text(CHAT)
    chats: dict[str, Any] = {"files": ["f"], "messages": "m", "chat_template": "chat.jinja"}
    data = {"model": {"path": "m", "task": "causal-lm"}, "corpus": chats}
    config = parse_config(data, "c.toml", tmp_path)
    assert config.corpus.chat_template == CHAT
    assert config.neurons.rule == "gradient"
    chats["chat_template"] = "other.jinja"
    with pytest.raises(InputError, match=r"corpus.chat_template: .*other.jinja: cannot be read"):
        parse_config(data, "c.toml", tmp_path)
