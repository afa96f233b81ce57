"""Who may ask: tokens and certificates, in files that are read again when they change.

Imports the errors of service and indexer alone.
"""
