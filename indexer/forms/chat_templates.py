"""Chat templates: the tokens of a chat, and which of them are what the assistant says.

Templates that mark generation (`{% generation %}`) tell that; with others the chat up to a turn, with the prompt for it, is
compared with the whole.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from attridex.indexer.config import template_text
from attridex.indexer.errors import InputError, first_line
from attridex.indexer.forms.encoding import Tokens

MARK = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
"""Where a chat template says that the assistant's words begin."""
OTHERWISE = "the chat template puts message {} otherwise when others follow, or those before it when it is not there"
"""Why a turn is not told apart from the others."""
CLOCK = "strftime_now"
"""What a chat template calls for today's date."""

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Beside:
    """What a chat template is given beside the messages.

    Attributes:
        tools: JSON schemas of tools.
        options: what else, by name.
    """

    tools: list[Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chat:
    """A chat as its template puts it.

    Attributes:
        ids: of its tokens.
        spans: tokens [start, stop) of turns of the assistant, in their order.
    """

    ids: Tokens
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Marked:
    """A chat as a template puts it that marks what the assistant says.

    Attributes:
        ids: of its tokens.
        marks: 1 for each token that is marked.
    """

    ids: Tokens
    marks: Tokens

    @property
    def said(self) -> Tokens:
        """The tokens that are marked."""
        return tuple(token for token, mark in zip(self.ids, self.marks, strict=True) if mark)


class ChatTemplate:
    """A tokenizer with its chat template, or with another one."""

    def __init__(self, tokenizer: Any, given: str | None) -> None:
        """`given` is a template or the file of one; the tokenizer's own unless given.

        Raises:
            InputError: there is none, or it shows today's date.
        """
        self._tokenizer = tokenizer
        self._given = None if given is None else template_text(Path(), given)
        own = self._given or tokenizer.chat_template
        if not own:
            raise InputError('corpus.messages: the tokenizer has no chat template; give one as corpus.chat_template = "FILE"')
        if any(CLOCK in template for template in (own.values() if isinstance(own, Mapping) else [own])):
            raise InputError(
                f"corpus.messages: the chat template shows today's date ({CLOCK}), so that a chat reads otherwise tomorrow; "
                "give a copy with the date of the training as corpus.chat_template"
            )

    def chat(self, messages: Sequence[Message], beside: Beside, where: str, turns: Sequence[int], *, last: bool = False) -> Chat:
        """A chat's tokens, with those of the assistant's turns.

        Args:
            messages: of the chat.
            beside: what else the template is given.
            where: names the record in errors.
            turns: numbers of the messages of the assistant.
            last: whether the last one's tokens alone are wanted.

        Raises:
            InputError: the template refuses the chat, or does not tell the turns apart.
        """
        call, wanted = TemplateCall(self._tokenizer, self._given, beside, where), turns[-1:] if last else turns
        if MARK.search(self._tokenizer.get_chat_template(self._given, beside.tools)):
            found = call.marked(messages)
            return Chat(found.ids, runs(call.behind(found, messages, turns) if last else found.marks))
        ids = tuple(call.apply(messages)["input_ids"])
        text = call.apply(messages, tokenize=False)
        return Chat(ids, tuple(call.span(text, ids, messages, turn) for turn in wanted))

    def not_shown(self, beside: Beside) -> str | None:
        """An option that the tokenizer's call takes itself and gives no template, if there is one."""
        taken = inspect.signature(self._tokenizer.apply_chat_template).parameters
        return next((name for name in beside.options if name in taken and name != "documents"), None)

    def differs(self, messages: Sequence[Message], given: Beside, other: Beside) -> bool:
        """Whether messages read otherwise when the template is given something other beside them, and does not refuse them.

        What is read are the tokens, and those of the assistant where the template marks them.
        """
        marked = MARK.search(self._tokenizer.get_chat_template(self._given, given.tools)) is not None
        found = [TemplateCall(self._tokenizer, self._given, beside, "").read(messages, marked) for beside in (given, other)]
        return None not in found and found[0] != found[1]

    def prompt(self, messages: Sequence[Message], beside: Beside, where: str) -> Chat:
        """A chat's tokens with the template's prompt for the assistant behind them, as a user generates from.

        Raises:
            InputError: the template refuses the chat.
        """
        call = TemplateCall(self._tokenizer, self._given, beside, where)
        return Chat(tuple(call.apply(messages, add_generation_prompt=True)["input_ids"]), ())


@dataclass(frozen=True)
class TemplateCall:
    """Calls of a chat template for one record.

    Attributes:
        tokenizer: that applies it.
        given: the template; the tokenizer's own where None.
        beside: what it is given beside the messages.
        where: names the record in errors.
    """

    tokenizer: Any
    given: str | None
    beside: Beside
    where: str

    def apply(self, messages: Sequence[Message], **options: Any) -> Any:
        """What the template makes of messages; see `apply_chat_template`.

        Raises:
            InputError: the template refuses the chat.
        """
        try:
            given = {"tools": self.beside.tools, "chat_template": self.given, **self.beside.options, **options}
            return self.tokenizer.apply_chat_template(list(messages), **given)
        except Exception as error:  # whatever a template's code raises
            raise InputError(f"{self.where}: the chat template refuses the messages: {first_line(error)}") from None

    def read(self, messages: Sequence[Message], marked: bool) -> Marked | None:
        """The tokens of messages, with those that the template marks where it is `marked`; None where it refuses them."""
        try:
            return self.marked(messages) if marked else Marked(tuple(self.apply(messages)["input_ids"]), ())
        except InputError:
            return None

    def marked(self, messages: Sequence[Message]) -> Marked:
        """The tokens of messages, and those that the template marks.

        Raises:
            InputError: the template refuses the messages.
        """
        found = self.apply(messages, return_assistant_tokens_mask=True)
        return Marked(tuple(found["input_ids"]), tuple(found["assistant_masks"]))

    def behind(self, whole: Marked, messages: Sequence[Message], turns: Sequence[int]) -> Tokens:
        """Marks of the last of the assistant's turns alone: those behind what is marked of the chat before it.

        Args:
            whole: the chat.
            messages: of it.
            turns: numbers of those of the assistant.

        Raises:
            InputError: before the turn other tokens are marked when the turn is not there.
        """
        if not turns:
            return (0,) * len(whole.ids)
        before = self.marked(messages[: turns[-1]]).said if len(turns) > 1 else ()
        if whole.said[: len(before)] != before:
            raise InputError(
                f"{self.where}: {OTHERWISE.format(turns[-1])}, so its tokens are not told apart; set another loss_on"
            )
        left = set([place for place, mark in enumerate(whole.marks) if mark][len(before) :])
        return tuple(int(place in left) for place in range(len(whole.ids)))

    def span(self, text: str, ids: Tokens, messages: Sequence[Message], turn: int) -> tuple[int, int]:
        """Tokens of a turn of the assistant: those behind the chat up to it, with the prompt for it.

        Args:
            text: of the whole chat.
            ids: of its tokens.
            messages: of the chat.
            turn: number of the message.

        Raises:
            InputError: the chat up to the turn, or with it, is no beginning of the whole.
        """
        before, through = self._before(messages, turn), self.apply(messages[: turn + 1], tokenize=False)
        if not (text.startswith(through) and through.startswith(before) and len(through) > len(before)):
            raise self._untold(self._reason(text, through, messages, turn))
        if not self.tokenizer.is_fast:
            return self._span_of_tokens(ids, before, through, turn)
        plain = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return covering(plain["offset_mapping"], len(before), len(through))

    def _before(self, messages: Sequence[Message], turn: int) -> str:
        """The chat up to a turn of the assistant, with the prompt for it."""
        if turn:
            return str(self.apply(messages[:turn], tokenize=False, add_generation_prompt=True))
        prompt = self._prompt(messages[:1])
        head, found, _ = self.apply([{"role": messages[0]["role"], "content": ""}], tokenize=False).partition(prompt or "\0")
        if not found:
            raise self._untold("the chat begins with the assistant, and the chat template's prompt for it does not stand there")
        return f"{head}{found}"

    def _prompt(self, messages: Sequence[Message]) -> str:
        """The template's prompt for the assistant behind messages."""
        bare, asked = (str(self.apply(messages, tokenize=False, add_generation_prompt=asked)) for asked in (False, True))
        return asked.removeprefix(bare)

    def _reason(self, text: str, through: str, messages: Sequence[Message], turn: int) -> str:
        """Why a turn of the assistant is not told apart."""
        if not text.startswith(through) or (turn and not text.startswith(self.apply(messages[:turn], tokenize=False))):
            return OTHERWISE.format(turn)
        prompt = self._prompt(messages[: turn or 1])
        return f"message {turn} does not begin with the chat template's prompt for the assistant, {prompt!r}, or is empty"

    def _untold(self, reason: str) -> InputError:
        """What is said where the assistant's tokens are not told apart."""
        return InputError(
            f"{self.where}: {reason}, so the assistant's tokens are not told apart; mark them by {{% generation %}} in a copy of "
            "the template (corpus.chat_template), or set another loss_on"
        )

    def _span_of_tokens(self, ids: Tokens, before: str, through: str, turn: int) -> tuple[int, int]:
        """The same where the tokenizer does not say which letters a token holds."""
        made = self.tokenizer([before, through], add_special_tokens=False, verbose=False)["input_ids"]
        first, both = map(tuple, made)
        if ids[: len(both)] != both or both[: len(first)] != first:
            raise InputError(f"{self.where}: tokens of message {turn} run into others; a fast tokenizer can tell them apart")
        return len(first), len(both)


def runs(mask: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Stretches of ones, [start, stop)."""
    edges = [at for at, (before, now) in enumerate(pairwise((0, *mask, 0))) if before != now]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def covering(offsets: Sequence[tuple[int, int]], start: int, stop: int) -> tuple[int, int]:
    """Tokens that hold any of the letters [start, stop)."""
    at = [place for place, (begin, end) in enumerate(offsets) if begin < stop and end > start]
    return (at[0], at[-1] + 1) if at else (0, 0)
