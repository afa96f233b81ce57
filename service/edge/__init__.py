"""All that knows gRPC: statuses, security, the server, and its twin in this process.

Imports answering; nothing below imports it.
"""
