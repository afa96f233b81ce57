"""From texts to signatures: one thread owns the model, batches what waits, and remembers answers.

Imports the indexer's signer lazily; knows no index files.
"""
