"""Scores of FFN neurons: packed integrated gradients, edits, and the rules that they are taken by.

Imports models; knows neither gradients of parameters nor the index.
"""
