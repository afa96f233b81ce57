"""A call on the event loop: read and written with patience, ended with a status, and given a thread when it is its client's turn.

Imports the error catalogue and the wire; knows no request and no index.
"""
