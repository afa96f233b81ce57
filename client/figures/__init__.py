"""Drawing for the report: looks, numbers, tables and figures.

Imports nothing of attridex; knows no single run.
"""
