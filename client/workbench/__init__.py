"""What studies share: their run, settings, results, statistics and methods.

Imports the client; knows no single study.
"""
