"""The index directory: for every kind of file its writer, its reader and its check.

Imports config, errors and randomness alone; whoever writes or reads a file of an index does it through here.
"""
