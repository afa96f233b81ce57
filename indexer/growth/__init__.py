"""An index that follows its corpus: later batches are appended, rows updated, and what was taken of all rows is refreshed.

Imports what builds an index.
"""
