"""The use cases: what each query means, on plain dataclasses.

Imports methods, search, encoding and storage; knows nothing of gRPC.
"""
