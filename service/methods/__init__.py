"""What can be asked for: each method's meaning, settings, needs and scores.

Imports search and storage; knows no wire.
"""
