"""Finding a model's parts from its modules and traced passes on a tiny input: blocks, FFNs, attention, head, what a head reads.

Imports only what all of the indexer may; knows neither batches nor files.
"""
