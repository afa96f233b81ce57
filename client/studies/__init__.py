"""Studies: the comparison of instance and neuron attribution, one study a file.

Imports the workbench; knows neither command line nor report.
"""
