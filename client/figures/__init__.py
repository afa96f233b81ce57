"""Drawing tools: figures, tables and numbers as the page shows them, and one look for each method.

Imports the workbench's names of methods; knows no study.
"""
