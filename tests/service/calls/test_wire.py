"""What a message holds is seen before it is parsed: more than may be is refused, and what is just within is read whole."""

from typing import Any

import pytest

from attridex.service.calls.wire import SMALL, check_fields, parsed
from attridex.service.errors import InvalidArgumentError
from attridex.v1 import attribution_pb2 as pb
from attridex.v1.limits import MESSAGE_FIELDS as FIELDS

RECORD = pb.Query(id="q", record_json="{}")
RECORD.record.update({"a": [1, None, {"b": "c"}], "d": True})
FULL = pb.PredictRequest(
    index="mine", queries=[RECORD, pb.Query(vector=pb.Vector(data=b"12345678", dtype="DTYPE_FLOAT64"), max_new_tokens=300)],
    interventions=[pb.Intervention(neurons=pb.NeuronSet(neurons=[pb.Neuron(layer=1, unit=2**31)] * 3))],
)  # fmt: skip
EMPTY = b"\x12\x00"  # field 2, no bytes
MANY = SMALL // 2 + 1


def inside(*numbers: int) -> bytes:
    """Many empty messages, in fields of fields with these numbers."""
    data = EMPTY * (FIELDS + 1)
    for number in numbers:
        size, left = b"", len(data)
        while left > 127:
            size, left = size + bytes([left & 127 | 128]), left >> 7
        data = bytes([number << 3 | 2]) + size + bytes([left]) + data
    return data


def test_the_fields_that_count_are_all_but_those_of_the_smallest_messages() -> None:
    data, count = FULL.SerializeToString(), 4 + 21 + 2 + 4  # of its own, the record, the vector, the intervention
    check_fields(FULL.DESCRIPTOR, data, count)
    with pytest.raises(InvalidArgumentError, match=f"the request holds more than {count - 1} fields; ask in several"):
        check_fields(FULL.DESCRIPTOR, data, count - 1)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (pb.PredictRequest, ()),  # queries
        (pb.PredictRequest, (5, 2)),  # neurons of a query: field 2 is nothing there, and is kept all the same
        (pb.PredictRequest, (1, 2, 2)),  # the columns of a record
        (pb.AttributeInstancesRequest, (5, 7)),  # the values of a membership
        (pb.AttributeStreamRequest, (6,)),
    ],
)
def test_a_request_of_more_than_may_be_read_is_refused_wherever_it_is(kind: Any, numbers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="more than 262144 fields"):
        parsed(kind, inside(*numbers))


def test_a_damaged_one_is_refused_and_a_long_one_read() -> None:
    long = pb.GetInstancesRequest(ids=["t1"] * MANY)
    assert parsed(pb.GetInstancesRequest, long.SerializeToString()) == long
    for damaged in (long.SerializeToString()[:-1], b"\x12" + b"\xff" * SMALL, EMPTY * MANY + b"\x12"):
        with pytest.raises(InvalidArgumentError, match="cannot be read"):
            parsed(pb.GetInstancesRequest, damaged)
