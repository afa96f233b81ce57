"""Rendering: the one way that a record becomes instances, shared by training, indexing, queries and studies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from attridex.indexer.config import CorpusConfig
from attridex.indexer.corpus.instances import RenderedInstance, content_hash
from attridex.indexer.corpus.labels import LabelReader
from attridex.indexer.errors import InputError
from attridex.indexer.forms.encoding import Encoding, Form
from attridex.indexer.forms.vocabulary import Vocabulary

PART = "#"
"""Stands in an id between the record's own and the part that the instance is of it."""


class Renderer:
    """Turns records into instances, the same way everywhere.

    Attributes:
        labels: names of the model's outputs, in their order; empty where a record brings its own outputs.
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
    ) -> None:
        """See the attributes.

        Args:
            corpus: columns.
            form: encodes records.
            labels: names of the model's outputs.
            show: gives the text of ids.
            vocabulary: what is known of the tokens; nothing unless given.
            remarks: what is to be said of how texts are read.
        """
        self.vocabulary, self.remarks = vocabulary or Vocabulary(str), tuple(remarks)
        self.text_fields, self.added_fields = form.fields, form.adds
        self._corpus, self._form, self._show = corpus, form, show
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
            raise InputError(f"{where}: gives {len(found)} instances; ask about one of them, by its own text or by its id")
        return self._instance(found[0], record, where, label_used=label_used)

    def stored(self, record: Mapping[str, Any], where: str, *, label_used: bool = True) -> RenderedInstance:
        """Render what an index stores of an instance, which may be one target token of a record (corpus.per_token).

        Args:
            record: its values by column.
            where: names it in errors.
            label_used: False lets a label pass that the model does not have.
        """
        instance = self.render(record, where, label_used=label_used)
        return self.per_token(instance)[int(instance.id.rpartition(PART)[2])] if self._corpus.per_token else instance

    def instances(self, record: Mapping[str, Any], where: str) -> list[RenderedInstance]:
        """The instances of a corpus's record: one, or one of each part of a document, or of each target token.

        Raises:
            InputError: see `render`.
        """
        found = [self._instance(encoding, record, where) for encoding in self._form.encode(record, where)]
        return [part for instance in found for part in self.per_token(instance)] if self._corpus.per_token else found

    def _instance(
        self, encoding: Encoding, record: Mapping[str, Any], where: str, *, label_used: bool = True
    ) -> RenderedInstance:
        outputs = encoding.outputs or tuple(self.labels)
        label = self._label(encoding, record, where, used=label_used)
        name = str(record.get(self._corpus.id, ""))
        return RenderedInstance(
            id=f"{name}{PART}{encoding.part}" if encoding.part else name,
            sequences=encoding.sequences,
            label=label,
            key=content_hash(encoding, label),
            truncated=encoding.truncated,
            fields={**{column: record.get(column) for column in self._corpus.metadata}, **encoding.fields},
            outputs=outputs,
            reads=encoding.reads,
            wanted=encoding.wanted,
            types=encoding.types,
        )

    def per_token(self, instance: RenderedInstance) -> list[RenderedInstance]:
        """One instance for each target token: what stands before it is its prompt. Ids get "#" and the token's number."""
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

    def _label(self, encoding: Encoding, record: Mapping[str, Any], where: str, *, used: bool) -> int | None:
        """Output index of a record's label; None where it has none, or is of a language model."""
        if encoding.reads:
            return None
        if encoding.label is not None:
            return self._labels.read_number(encoding.label, where, len(encoding.outputs or self.labels), used=used)
        if encoding.outputs:
            return self._labels.read_choice(record, where, encoding.outputs, encoding.answers, used=used)
        return self._labels.read(record, where, used=used)

    def label(self, record: Mapping[str, Any], where: str, outputs: Sequence[str] = (), *, used: bool = True) -> int | None:
        """Output index of a record's label; None where it has none. See `LabelReader.read` for what it raises.

        Args:
            record: its values by column.
            where: names it in errors.
            outputs: names of what is decided; the model's unless given.
            used: False lets an unknown label pass as None.
        """
        return self._labels.read(record, where, outputs, used=used)
