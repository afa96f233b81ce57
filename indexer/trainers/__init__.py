"""From a training script: an index of the rows, collator semantics and model of a `transformers` Trainer, TRL's among them.

Imports what reads a corpus and loads a model, training and building; nothing imports this but the package's front.
"""
