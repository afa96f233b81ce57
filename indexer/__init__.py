"""Indexer: a corpus and a fine-tuned model become a persistent attribution index."""
