"""Input forms: one file each, which makes of a record the very ids, token types and losses that the user's own call gives.

Imports config and errors; knows no files, no label and no model, and of a tokenizer only that it can be called.
"""
