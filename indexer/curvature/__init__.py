"""Second-order statistics of the training gradients, and functions of them as cheap transforms.

Imports the index's files to sum over shards; loads no model.
"""
