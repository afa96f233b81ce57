"""Structures for approximate search: made of a version's vectors, on a CPU or a GPU, read again, and their recall measured.

Imports the index's files; knows nothing of queries or methods.
"""
