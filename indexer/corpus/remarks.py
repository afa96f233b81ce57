"""Remarks on a corpus that is sound, but perhaps not read as the model was trained: a line each, said before a build begins."""

from collections import Counter

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.forms.vocabulary import Vocabulary

MANY = 0.2
"""A share of unknown tokens that is said."""


class Remarks:
    """What the instances of a corpus have in common."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """`vocabulary` of tokenizer and model."""
        self._vocabulary, self._counted = vocabulary, Counter[str]()

    def see(self, instance: RenderedInstance) -> None:
        """Count an instance."""
        self._counted.update(instances=1, doubted=int(self._vocabulary.doubted in instance.wanted))
        for ids in instance.sequences:
            twice = len(ids) > 1 and ids[0] == ids[1] and ids[0] in self._vocabulary.begins
            self._counted.update(sequences=1, tokens=len(ids), twice=int(twice), unknown=ids.count(self._vocabulary.unknown))

    @property
    def lines(self) -> tuple[str, ...]:
        """What there is to say."""
        count, found = self._counted, []
        if count["twice"]:
            found.append(
                f"{count['twice']} of {count['sequences']} sequences begin with a special token twice: the texts have it "
                "already; unless the training saw it twice, leave it out of the texts"
            )
        if count["unknown"] > MANY * count["tokens"]:
            share, name = count["unknown"] / count["tokens"], self._vocabulary.name(self._vocabulary.unknown or 0)
            found.append(f"{share:.0%} of the tokens are '{name}', the unknown one; is this the tokenizer of the training?")
        if count["doubted"]:
            name = self._vocabulary.name(self._vocabulary.doubted or 0)
            found.append(
                f"{count['doubted']} of {count['instances']} instances have a loss at '{name}', which is the tokenizer's padding "
                "token: DataCollatorForLanguageModeling gives it none; say by corpus.loss_on_padding = false or true which the "
                "training did"
            )
        return tuple(found)
