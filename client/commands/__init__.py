"""The command line: one app, composed of the commands of client, indexer and service.

Imports every room lazily; nothing imports it.
"""
