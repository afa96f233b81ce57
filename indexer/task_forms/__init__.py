"""Input forms of single tasks: words with a label each, and a target behind a source.

Imports the input forms; knows no model.
"""
