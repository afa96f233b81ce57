"""What those who run a server see of it: log, request ids, audit, metrics, probes and traces.

Imports the error catalogue alone; it is told what happens by `Witness`, and knows no request and no index.
"""
