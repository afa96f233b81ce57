"""The user's data: records read from files, and rendered into token ids the one way that everything shares.

Imports config and errors; knows no model and no index.
"""
