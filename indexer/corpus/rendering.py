"""Rendering: the one way that a record becomes instances, shared by training, indexing, queries and studies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.goals import GOALS, Goals, read_goals
from attridex.indexer.corpus.instances import RenderedInstance, content_hash
from attridex.indexer.corpus.labels import LabelReader
from attridex.indexer.corpus.token_labels import labelled_tokens
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding, Form, losses_of
from attridex.indexer.forms.vocabulary import Vocabulary
from attridex.indexer.index.layout import shown_name
from attridex.indexer.task_kinds import Task

TOKENS: Task = "token-classification"
PART = "#"
"""Stands in an id between the record's own and the part that the instance is of it."""


class Renderer:
    """Turns records into instances, the same way everywhere.

    Attributes:
        labels: names of the model's outputs, in their order; empty where a record brings its own outputs.
        task: what the model decides.
        text_fields: columns that the input form shows.
        vocabulary: what is known of the tokens.
        remarks: what is to be said of how texts are read.
        added_fields: columns that it adds.
    """

    def __init__(
        self,
        corpus: CorpusConfig,
        form: Form,
        labels: Sequence[str],
        show: Callable[[Sequence[int]], str],
        vocabulary: Vocabulary | None = None,
        remarks: Sequence[str] = (),
        task: Task = "sequence-classification",
    ) -> None:
        """See the attributes.

        Args:
            corpus: columns.
            form: encodes records.
            labels: names of the model's outputs.
            show: gives the text of ids.
            vocabulary: what is known of the tokens; nothing unless given.
            remarks: what is to be said of how texts are read.
            task: what the model decides.
        """
        self.vocabulary, self.remarks = vocabulary or Vocabulary(str), tuple(remarks)
        self.text_fields, self.added_fields = form.fields, form.adds
        self._corpus, self._form, self._show, self.task = corpus, form, show, task
        self._labels = LabelReader(corpus, labels)

    @property
    def labels(self) -> list[str]:
        """See the attributes."""
        return self._labels.names

    def render(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> RenderedInstance:
        """Render one record; `where` names it in errors. A label that is not used may be one that the model does not have.

        Raises:
            InputError: a column is missing, a text empty, a label unknown, the input too long to cut, or more than one instance.
        """
        found = self._form.encode(record, where)
        if len(found) != 1:
            what = f"windows of {self._form.limit} tokens" if self._corpus.documents else "texts, packed into a row"
            raise InputError(
                f"{where}: gives {len(found)} instances ({what}), a query is one; ask about each text as a record of its own, "
                "and add up the scores, or ask about a part of an instance of the index by its id (ID#0)"
            )
        return self._instance(found[0], record, where, label_used=label_used)

    def asked(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> RenderedInstance:
        """Render a record that is asked about, which needs a target where its model is a language model.

        Raises:
            InputError: see `render`; or it has no target.
        """
        if lacking := self._form.lacking(record, where):
            raise InputError(f"{where}: {lacking}; --max-new-tokens N (max_new_tokens) asks about what the model says next")
        return self.render(record, where, label_used=label_used)

    def stored(self, row: Mapping[str, Any]) -> RenderedInstance:
        """Render an instance from an index's own columns: `id`, `label`, and what the form shows.

        It may be one target token of a record (corpus.per_token).
        """
        identity, label, column = str(row["id"]), row["label"], self._corpus.label
        if label is not None and self.task == "multiple-choice":
            label = int(label)  # choices are stored by their numbers
        shown = {own: row[name] for name in self.text_fields if (own := shown_name(name)) != name}
        where, record = f"instance '{identity}'", {**row, self._corpus.id: identity, column: label, **shown}
        if not self._corpus.per_token:
            return self.render(record, where)
        number = int(identity.rpartition(PART)[2])
        if self.task == TOKENS:
            return self.token_part(self.render({**record, column: None}, where), number, label)
        return self.per_token(self.render(record, where))[number]

    def instances(self, record: Mapping[str, Any], where: str) -> list[RenderedInstance]:
        """The instances of a corpus's record: one, or one of each part of a document, or of each target token.

        Raises:
            InputError: see `render`.
        """
        found = [self._instance(encoding, record, where) for encoding in self._form.encode(record, where)]
        return [part for instance in found for part in self.per_token(instance)] if self._corpus.per_token else found

    def prompt(self, record: Mapping[str, Any], where: str) -> RenderedInstance | None:
        """What stands before a record's target; None where it has one.

        Raises:
            InputError: see `render`; or records of the input form have no target.
        """
        encoding = self._form.prompt(record, where)
        return None if encoding is None else self._instance(encoding, record, where, label_used=False)

    def begun(self, record: Mapping[str, Any], where: str) -> RenderedInstance:
        """What is asked about as it is given: a record, or what stands before its target where it lacks one.

        Raises:
            InputError: see `render`.
        """
        prompt = self.prompt(record, where) if self._form.lacking(record, where) else None
        return prompt or self.render(record, where, label_used=False)

    def room(self, prompt: RenderedInstance) -> int:
        """Tokens that a prompt can be continued by."""
        return self._form.limit - len(prompt.sequences[0])

    def continued(self, prompt: RenderedInstance, tokens: Sequence[int]) -> RenderedInstance:
        """A prompt with the tokens that come behind it as its target."""
        before = prompt.sequences[0]
        ids = (*before, *tokens)
        reads, wanted = losses_of(ids, len(before))
        ids = ids[:-1] if prompt.source else ids  # a decoder is not given its last token, which nothing is wanted behind
        types = tuple((*own, *[own[-1]] * len(tokens)) for own in prompt.types)
        encoding = Encoding((ids,), types, reads, wanted, source=prompt.source)
        return replace(
            prompt, sequences=(ids,), types=types, reads=reads, wanted=wanted, key=content_hash(encoding, None),
            outputs=(self._show(tokens).strip(),),
        )  # fmt: skip

    def _instance(
        self, encoding: Encoding, record: Mapping[str, Any], where: str, *, label_used: bool = True
    ) -> RenderedInstance:
        outputs = encoding.outputs or tuple(self.labels)
        goals = self._goals(record, where, used=label_used)
        answer = GOALS[self.task][1](goals, outputs) if goals else None
        if self.task == TOKENS:
            found = labelled_tokens(encoding, self._labels.value(record), self.labels, where, used=label_used)
            encoding, answer = found.encoding, found.answer
        label = None if self.task in GOALS else self._label(encoding, record, where, used=label_used)
        name = str(record.get(self._corpus.id, ""))
        return RenderedInstance(
            id=f"{name}{PART}{encoding.part}" if encoding.part else name,
            sequences=encoding.sequences,
            label=label,
            key=content_hash(encoding, label, goals),
            truncated=encoding.truncated,
            fields={**{column: record.get(column) for column in self._corpus.metadata}, **encoding.fields},
            outputs=outputs,
            reads=encoding.reads,
            wanted=encoding.wanted,
            types=encoding.types,
            goals=goals,
            answer=answer,
            source=encoding.source,
            surroundings=encoding.surroundings,
        )

    def _goals(self, record: Mapping[str, Any], where: str, *, used: bool) -> Goals:
        """What a record wants of every output, for tasks where not one of them is right."""
        if self.task not in GOALS:
            return ()
        try:
            return read_goals(self.task, self._labels.value(record), self.labels, where)
        except InputError:
            if used:
                raise
            return ()

    def per_token(self, instance: RenderedInstance) -> list[RenderedInstance]:
        """One instance for each target token: what stands before it is its prompt. Ids get "#" and the token's number.

        Of token classification one for each token with a label: the whole text, and that token's place behind the "#".
        """
        if self.task == TOKENS:
            return [self.token_part(instance, place) for place in instance.reads]
        ids, parts = instance.sequences[0], []
        for number, (read, token) in enumerate(zip(instance.reads, instance.wanted, strict=True)):
            own, said = ids[: read + 2], self._show([token]).strip()
            encoding = Encoding((own,), tuple(types[: read + 2] for types in instance.types), (read,), (token,))
            part = replace(
                instance,
                id=f"{instance.id}{PART}{number}",
                sequences=encoding.sequences,
                types=encoding.types,
                reads=encoding.reads,
                wanted=encoding.wanted,
                key=content_hash(encoding, None),
                outputs=(said,),
            )
            parts.append(part)
        return parts

    def token_part(self, instance: RenderedInstance, place: int, label: str | None = None) -> RenderedInstance:
        """The instance of one labelled token.

        Args:
            instance: of the whole text.
            place: of the token.
            label: its name, where the text does not tell it.
        """
        known = dict(zip(instance.reads, instance.wanted, strict=True))[place]
        number = known if label is None else self.labels.index(label)
        encoding = Encoding(instance.sequences, instance.types, (place,), (number,))
        return replace(
            instance, id=f"{instance.id}{PART}{place}", reads=(place,), wanted=(number,), key=content_hash(encoding, None),
            answer=None if instance.answer is None and label is None else self.labels[number],
        )  # fmt: skip

    def _label(self, encoding: Encoding, record: Mapping[str, Any], where: str, *, used: bool) -> int | None:
        """Output index of a record's label; None where it has none, or is of a language model."""
        if encoding.reads:
            return None
        if encoding.outputs:
            return self._labels.read_choice(record, where, encoding.outputs, encoding.answers, used=used)
        return self._labels.read(record, where, used=used)
