"""Shard groups: the stored vectors of an index, divided among processes that are asked together.

Imports search and the indexer's engines; knows neither methods nor texts.
"""
