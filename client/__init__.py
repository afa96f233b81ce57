"""Client: asks an attribution index, remote or in process, and runs studies against it.

Imports the contract `attridex.v1`, and indexer and service lazily, where an index is opened in this process. Public is what
this module names, `attridex.client.errors`, and the dataclasses of `attridex.v1.requests` and `attridex.v1.answers`.
"""

import os

# gRPC's own log repeats what the other side sends, bytes of any kind, on stderr; it is read when gRPC is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from attridex.client.aio import AsyncClient
from attridex.client.channel import Tls
from attridex.client.client import Client
from attridex.client.filters import parse_filter
from attridex.client.refine import RefinedNeuron, refine_neurons
from attridex.v1.answers import IndexInfo, Instance, InstancesAnswer, NeuronsAnswer, Page, PredictAnswer, SignatureAnswer
from attridex.v1.neurons import Neuron
from attridex.v1.rankings import Ranking
from attridex.v1.requests import Intervention, Query, Scoring

__all__ = [
    "AsyncClient", "Client", "IndexInfo", "Instance", "InstancesAnswer", "Intervention", "Neuron", "NeuronsAnswer", "Page",
    "PredictAnswer", "Query", "Ranking", "RefinedNeuron", "Scoring", "SignatureAnswer", "Tls", "parse_filter", "refine_neurons",
]  # fmt: skip
