"""The read side of an index: one open version, and the store that swaps versions under readers.

Imports the indexer's readers; knows no query.
"""
