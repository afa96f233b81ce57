"""The page of a run: results are read, figures drawn, and one HTML file written that needs nothing else.

Imports figures; asks no index.
"""
