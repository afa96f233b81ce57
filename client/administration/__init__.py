"""Administration of a server's indices: what `attridex.v1.AdminService` does, blocking and with asyncio.

Imports the contract `attridex.v1` and what the client is made of; public is what this module names.
"""

from attridex.client.administration.aio import AsyncAdminClient
from attridex.client.administration.client import AdminClient

__all__ = ["AdminClient", "AsyncAdminClient"]
