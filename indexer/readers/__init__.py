"""Files of records, of every kind: JSONL, JSON, CSV, TSV and Parquet, also compressed. For corpora and for queries.

Imports errors; knows no configuration and no model.
"""
