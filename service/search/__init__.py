"""Look-ups over stored vectors and postings: exact, approximate, filtered.

Imports storage; knows neither methods nor texts.
"""
