"""Requests of every shape, sense or none: each has an answer or a refusal of its own, and none is a fault of the server.

`ATTRIDEX_MALFORMED` says how many are sent; `tests/soak/malformed.py` sends more, beside somebody who asks what makes sense.
"""

import os
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from tests.service.edge.shapes import OURS, drawn

COUNT = int(os.environ.get("ATTRIDEX_MALFORMED", "300"))
WAIT = 60  # seconds after which a test that hangs fails


def test_no_request_is_a_fault_of_the_server(own_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{own_server.port}") as channel:

        @settings(
            max_examples=COUNT, deadline=None, database=None, derandomize=COUNT <= 1000,
            phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )  # fmt: skip
        @given(st.data())
        def send(data: Any) -> None:
            path, content = drawn(data.draw)
            told = (grpc.StatusCode.OK, "")
            try:
                if path.endswith("AttributeStream"):
                    for answer in channel.stream_stream(path)(iter([content, content]), timeout=WAIT):
                        code = pb.AttributeStreamResponse.FromString(answer).error.code
                        assert code not in {status.value[0] for status in OURS}, content
                else:
                    channel.unary_unary(path)(content, timeout=WAIT)
            except grpc.RpcError as error:
                told = (error.code(), error.details() or "")
            assert told[0] not in OURS | {grpc.StatusCode.DEADLINE_EXCEEDED}, (path, content, told)
            assert all(character >= " " for character in told[1]), (path, content, told)

        send()
        assert rpc.AttributionServiceStub(channel).GetIndex(pb.GetIndexRequest(), timeout=WAIT).index.instances
    assert "internal error" not in caplog.text
