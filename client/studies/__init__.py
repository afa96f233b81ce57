"""Studies: the comparison of instance and neuron attribution, each in one file with its settings, words and figures.

`base` says what a study is, `registry` finds them all, `run` runs them.

Imports the workbench and figures (what needs matplotlib when a section is drawn); knows neither command line nor report.
"""
