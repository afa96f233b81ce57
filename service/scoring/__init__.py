"""What an IA method is made of, and how one is settled: its settings read, its needs checked, a structure chosen.

Imports reading and what is below; knows no single method.
"""
