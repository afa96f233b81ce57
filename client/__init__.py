"""Client: asks an attribution index, remote or in process, and runs studies against it."""

from attridex.client.aio import AsyncClient
from attridex.client.calls import Intervention, Query
from attridex.client.channel import Tls
from attridex.client.client import Client
from attridex.client.refine import RefinedNeuron, refine_neurons

__all__ = ["AsyncClient", "Client", "Intervention", "Query", "RefinedNeuron", "Tls", "refine_neurons"]
