"""The contract attridex.v1: the messages of the wire, and their plain form as frozen dataclasses.

`filters`, `requests`, `answers` and `errors` import no protobuf, and everything may import them; `codec`, `wire_*` and `rpcs` map
them to the generated messages, and only the edges of client and service import those. Nothing here imports another room.
"""
