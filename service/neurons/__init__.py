"""What can be asked of neurons: attribution methods, similarities of instances through them, aggregates over instances.

Imports reading and search; knows no IA method.
"""
