"""Passes of a GPU that are recorded once a shape and replayed: room for batches of like shape, and CUDA graphs.

Knows nothing of what a pass computes.
"""
