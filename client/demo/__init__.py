"""attridex demo: the whole way on bundled data.

Imports client and indexer lazily; nothing imports it but the command line.
"""
