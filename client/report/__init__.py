"""The page of a run: results are read, each study draws its own section, and one HTML file is written that needs nothing else.

Imports studies and figures; names no study and asks no index.
"""
