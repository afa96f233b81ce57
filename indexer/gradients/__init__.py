"""Per-instance gradients of the loss, by parameter scope and projection.

Imports models and the index's blocks; knows nothing of how vectors are stored.
"""
