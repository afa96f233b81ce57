"""Index roots in object storage: fetched into a directory, changed there, and published as numbered heads over immutable objects.

May import indexer, indexer.held, indexer.index and indexer.lifecycle.
"""
