"""The benchmarks: every path beside its floor, what the hardware must do for it in any case.

The one room that imports client, service and indexer at once; only its own command imports it, lazily.
"""
