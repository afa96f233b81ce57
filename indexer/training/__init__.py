"""Fine-tuning, and retraining for the studies, rendered as the index renders.

Imports corpus and models; knows nothing of building.
"""
