"""The user's model: loaded, checked, known again by its hash, and read where a task decides.

Imports corpus for rendering; knows neither gradients nor the index's files beyond the record of a training.
"""
