"""Over sockets, a single question beside clients that ask much is in the model's next batch; batches are counted, never time."""

import threading
import time
from contextlib import ExitStack
from typing import Any

import grpc

from attridex.service.encoding.jobs import BATCH_TOKENS
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

CLIENTS, TEXTS = 4, 1024
WAIT = 60  # seconds after which a test that hangs fails
WORDS = ["the", "a", "doctor", "lawyer", "saw", "helped", "paid", "not", "some", "dog", "cat", "ran", "slept", "today", "park"]


class GatedSigner:
    """A model's signer that works only while its gate is open, and keeps the premises of each batch."""

    def __init__(self, signer: Any) -> None:
        """Closed; `signer` does the work."""
        self._signer, self.gate, self.batches = signer, threading.Event(), list[list[str]]()

    def __getattr__(self, name: str) -> Any:
        """What else a signer has."""
        return getattr(self._signer, name)

    def sign(self, instances: Any, **need: Any) -> Any:
        """Sign a batch, once the gate is open."""
        self.batches.append([instance.fields["premise"] for instance in instances])
        assert self.gate.wait(WAIT)
        return self._signer.sign(instances, **need)


def asked(count: int, seed: int) -> pb.AttributeInstancesRequest:
    """So many texts that nobody else asks."""
    request = pb.AttributeInstancesRequest(k=1)
    for number in range(seed * TEXTS, seed * TEXTS + count):
        words = [WORDS[number // len(WORDS) ** place % len(WORDS)] for place in range(5)]
        request.queries.add(id=f"q{number}").record.update(
            {"premise": " ".join(words), "hypothesis": "some cat slept", "label": 1}
        )
    return request


def settle(true: Any) -> None:
    """Wait until something is so."""
    until = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_single_question_waits_for_one_batch_of_four_clients_that_ask_1024_texts_each(own_server: Any) -> None:
    encoder = own_server._indexes["index"].tools.encoder
    signer = encoder._signer = GatedSigner(encoder._signer)
    with ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        stubs = [
            rpc.AttributionServiceStub(stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{own_server.port}", options)))
            for _ in range(CLIENTS + 1)
        ]
        many = [stub.AttributeInstances.future(asked(TEXTS, at), timeout=WAIT) for at, stub in enumerate(stubs[:-1])]
        settle(lambda: len(signer.batches) == 1 and encoder.waiting + len(signer.batches[0]) == CLIENTS * TEXTS)
        assert encoder.waiting > BATCH_TOKENS / 20, "more wait than one batch takes"
        one = stubs[-1].AttributeInstances.future(asked(1, CLIENTS), timeout=WAIT)
        (premise,) = (query.record["premise"] for query in asked(1, CLIENTS).queries)
        settle(lambda: encoder.waiting + len(signer.batches[0]) == CLIENTS * TEXTS + 1)
        signer.gate.set()
        assert one.result().results[0].hits
        assert [premise in batch for batch in signer.batches[:2]] == [False, True]
        for call in many:
            call.cancel()
