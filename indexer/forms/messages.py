"""Chats, read by the tokenizer's chat template; what the assistant says has a loss.

A chat that is too long loses its oldest turns, each whole.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError, brief, nearest
from attridex.indexer.forms.chat_templates import Beside, Chat, ChatTemplate, Message
from attridex.indexer.forms.columns import from_json
from attridex.indexer.forms.encoding import Encoding, Tokens

ASSISTANT, USER, SYSTEM = "assistant", "user", ("system", "developer")
"""Roles."""
ROLES = (ASSISTANT, USER, *SYSTEM, "tool", "function")
"""Roles that chats commonly have; a template may know others."""
ALIKE = 0.8
"""How much alike two roles are where one is taken for a slip of the pen."""
TOOLS, OPTIONS = "tools", "chat_template_kwargs"
"""Settings of the columns that a template is given, and the columns that TRL gives it."""

Columns = Mapping[str, str | None]
"""Columns by their settings; None where none is named, "" where none is read."""


class Messages:
    """Chats."""

    def __init__(self, corpus: CorpusConfig, tokenizer: Any, limit: int) -> None:
        """Find the chat template; see `ChatTemplate` for what it raises.

        Args:
            corpus: columns, template, and what has a loss.
            tokenizer: of the model.
            limit: tokens of a chat at most.
        """
        self._name, self._loss_on = str(corpus.messages), corpus.loss_on
        self._columns: Columns = {TOOLS: corpus.tools, OPTIONS: corpus.chat_template_kwargs}
        self._cuts, self.limit = bool(corpus.truncation), limit
        self._template = ChatTemplate(tokenizer, corpus.chat_template)
        self.fields: tuple[str, ...] = (self._name,)
        self.adds: tuple[str, ...] = ()

    def encode(self, record: Mapping[str, Any], where: str) -> Sequence[Encoding]:
        """See `Form.encode`."""
        messages = messages_of(record, self._name, where)
        read = partial(self._chat, beside=self._beside(messages, record, where), where=where)
        whole = read(messages)
        chat = self._fitting(whole, messages, read, where)
        reads, wanted = self._losses(chat)
        if not reads:
            raise InputError(f"{where}: column '{self._name}' has {self._silence(messages)}")
        return [
            Encoding((chat.ids,), (), reads, wanted, chat is not whole, self._fields(messages), (self._said(messages, chat),))
        ]

    def lacking(self, record: Mapping[str, Any], where: str) -> str:
        """See `Form.lacking`."""
        role = messages_of(record, self._name, where)[-1]["role"]
        if role == ASSISTANT or self._loss_on == "all":
            return ""
        return f"column '{self._name}' ends with a turn of '{role}', and what is asked about is said by the assistant behind it"

    def prompt(self, record: Mapping[str, Any], where: str) -> Encoding | None:
        """See `Form.prompt`: a chat that does not end with the assistant, with the template's prompt for it."""
        messages = messages_of(record, self._name, where)
        if messages[-1]["role"] == ASSISTANT:
            return None
        read = partial(self._template.prompt, beside=self._beside(messages, record, where), where=where)
        whole = read(messages)
        chat = self._fitting(whole, messages, read, where)
        return Encoding((chat.ids,), truncated=chat is not whole, fields=self._fields(messages))

    def _fields(self, messages: Sequence[Message]) -> Mapping[str, Any]:
        """The columns that are shown."""
        return {self._name: json.dumps(messages, ensure_ascii=False)}

    def _chat(self, messages: Sequence[Message], beside: Beside, where: str) -> Chat:
        """A chat's tokens, with those that have a loss."""
        turns = [at for at, each in enumerate(messages) if each["role"] == ASSISTANT]
        needed = [] if self._loss_on == "all" else turns
        return self._template.chat(messages, beside, where, needed, last=self._loss_on == "last")

    def _silence(self, messages: Sequence[Message]) -> str:
        """Why no token has a loss."""
        if all(each["role"] != ASSISTANT for each in messages):
            return "no turn of the assistant, whose tokens have the loss"
        return "no token with a loss: what the assistant says is empty, or the chat template marks none of it by {% generation %}"

    def _losses(self, chat: Chat) -> tuple[Tokens, Tokens]:
        """`reads` and `wanted` of the tokens that have a loss."""
        spans = {"all": ((0, len(chat.ids)),), "last": chat.spans, "assistant": chat.spans}[self._loss_on]
        at = [place for start, stop in spans for place in range(max(start, 1), stop)]
        return tuple(place - 1 for place in at), tuple(chat.ids[place] for place in at)

    def _said(self, messages: Sequence[Message], chat: Chat) -> str:
        """What the assistant said in the turns that have a loss, a line each: the last of them, as many as the chat kept."""
        texts = [each.get("content") for each in messages if each["role"] == ASSISTANT]
        kept = 1 if self._loss_on == "last" else len(chat.spans)
        said = [text.strip() for text in texts[-kept:] if isinstance(text, str) and text.strip()]
        return "\n".join(said) if self._loss_on != "all" else ""

    def _beside(self, messages: Sequence[Message], record: Mapping[str, Any], where: str) -> Beside:
        """What the template is given beside the messages.

        Raises:
            InputError: a column that no setting names is one that TRL gives a template, and would change what is read; or one
                that a setting names holds what is no template's to read.
        """
        given = beside_of(record, self._columns, where)
        if odd := self._template.not_shown(given):
            raise InputError(
                f"{where}: column '{self._columns[OPTIONS]}' (corpus.chat_template_kwargs) holds '{odd}', which the tokenizer's "
                "call takes itself; all chats are read by one template (corpus.chat_template), called in one way: leave it out"
            )
        for setting, column in self._columns.items():
            usual = usual_beside(record, {**self._columns, setting: setting}, given) if column is None else given
            if usual != given and self._template.differs(messages, given, usual):
                raise InputError(
                    f"{where}: the chat template reads the column '{setting}', which TRL's SFTTrainer gives it; set "
                    f'corpus.{setting} = "{setting}", or "" where the training did not give it'
                )
        return given

    def _fitting(self, whole: Chat, messages: Sequence[Message], read: Callable[[list[Message]], Chat], where: str) -> Chat:
        """The whole chat, or where that is too long what fits from a user's turn on, behind its system message.

        Args:
            whole: the chat.
            messages: of it.
            read: gives the tokens of messages.
            where: names it in errors.
        """
        if len(whole.ids) <= self.limit:
            return whole
        excess = f"{where}: {len(whole.ids) - self.limit} tokens over the limit of {self.limit}"
        if not self._cuts:
            how = "set corpus.truncation = true, and model.max_length to what the model takes, to leave out the oldest turns"
            raise InputError(f"{excess}; {how}, or raise model.max_length")
        head = next((at for at, each in enumerate(messages) if each["role"] not in SYSTEM), 0)
        for start in (at for at, each in enumerate(messages) if at > head and each["role"] == USER):
            chat = read([*messages[:head], *messages[start:]])
            if len(chat.ids) <= self.limit:
                return chat
        raise InputError(f"{excess} even with the last turns alone; raise model.max_length, or leave the chat out")


def usual_beside(record: Mapping[str, Any], columns: Columns, given: Beside) -> Beside:
    """What `beside_of` gives, or what is `given` where no template could be given it."""
    try:
        return beside_of(record, columns, "")
    except InputError:
        return given


def beside_of(record: Mapping[str, Any], columns: Columns, where: str) -> Beside:
    """What a record's columns give a chat template beside the messages.

    Raises:
        InputError: they hold anything else.
    """
    tools, options = (from_json(record.get(columns[setting] or "")) for setting in (TOOLS, OPTIONS))
    if tools is not None and not (isinstance(tools, list | tuple) and all(isinstance(tool, Mapping) for tool in tools)):
        raise InputError(f"{where}: column '{columns[TOOLS]}' (corpus.tools) must hold a list of JSON schemas")
    if options is not None and not (isinstance(options, Mapping) and all(isinstance(name, str) for name in options)):
        raise InputError(f"{where}: column '{columns[OPTIONS]}' (corpus.chat_template_kwargs) must hold values by their names")
    return Beside(None if tools is None else list(tools), dict(options or {}))


def messages_of(record: Mapping[str, Any], name: str, where: str) -> list[Message]:
    """The messages of a record: a list, or the JSON of one.

    Raises:
        InputError: the column is missing, or holds anything but messages; or a role is nearly one that chats have.
    """
    if name not in record:
        raise InputError(f"{where}: missing column '{name}' (corpus.messages); {nearest(name, record)}")
    value = from_json(record[name])
    if not isinstance(value, list | tuple) or not value or not all(map(is_message, value)):
        raise InputError(
            f"{where}: column '{name}' holds {brief(record[name])}; a list of messages is needed, each with \"role\" and "
            '"content"'
        )
    for number, each in enumerate(value):
        if each["role"] not in ROLES and (meant := get_close_matches(each["role"].strip().lower(), ROLES, 1, ALIKE)):
            raise InputError(
                f"{where}: message {number} of column '{name}' has the role '{each['role']}'; did you mean '{meant[0]}'?"
            )
    return list(value)


def is_message(value: Any) -> bool:
    """Whether a value is a message."""
    return isinstance(value, Mapping) and isinstance(value.get("role"), str)
