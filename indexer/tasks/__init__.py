"""What each task decides of what a model gives: loss, prediction, and the probability that neuron scores explain.

Imports corpus and models; knows neither gradients nor the index.
"""
