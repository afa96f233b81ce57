"""Commands that make and inspect an index.

Imports what is heavy only when a command runs; nobody imports it but the command line.
"""
