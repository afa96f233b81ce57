"""The command that serves indices.

Imports what is heavy only when it runs; nobody imports it but the command line.
"""
