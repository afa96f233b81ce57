"""The use cases, one a file: a function of a call and its request that gives the answer, in the contract's plain form.

Imports everything below; knows nothing of gRPC.
"""
