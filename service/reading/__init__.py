"""Making queries ready: sources checked, texts signed together, the model's own answers said.

Imports storage, search and encoding; knows no method.
"""
