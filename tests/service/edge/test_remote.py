"""The service over a real socket: the same answers as in process, the catalogue's errors, versions under readers."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from attridex.client import AsyncClient, Client, Intervention, Query, errors
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.answers import InstancesAnswer, Timings
from attridex.v1.requests import AttributeInstancesRequest

COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
RECORD = {"id": "q", "premise": "the dog ran", "hypothesis": "some cat slept", "label": 1}
TEXTS = [RECORD, {"premise": "a lawyer", "hypothesis": "not today"}]
CALLS: dict[str, Callable[[Client], Any]] = {
    "ia": lambda c: c.attribute_instances(TEXTS, fields=["premise", "loss"], where="genre = 'phone' AND NOT loss > 9"),
    "ia cosine": lambda c: c.attribute_instances([Query.instance("t3")], method="grad-cos", k=30),
    "ia influence": lambda c: c.attribute_instances(TEXTS, method="influence", curvature="hessian", damping=0.01),
    "ia default damping": lambda c: c.attribute_instances(TEXTS, method="influence", curvature="fisher", ascending=True),
    "ia rep-sim": lambda c: c.attribute_instances(TEXTS, method="rep-sim"),
    "ia vector": lambda c: c.attribute_instances([Query.vector(np.arange(72))], k=3),
    "na": lambda c: c.attribute_neurons(TEXTS, r=0),
    "na activation-gradient": lambda c: c.attribute_neurons([*TEXTS, Query.instance("t3")], r=0, method="activation-gradient"),
    "na-instances": lambda c: c.find_instances_by_neurons(TEXTS),
    "na-instances neurons": lambda c: c.find_instances_by_neurons([Query.neurons([(0, 1), (2, 3), (0, 1)])]),
    "na-instances activation": lambda c: c.find_instances_by_neurons([*TEXTS, Query.instance("t3")], similarity="activation"),
    "na-instances attribution": lambda c: c.find_instances_by_neurons(TEXTS, similarity="attribution"),
    "ia-neurons": lambda c: c.find_neurons_by_instances(TEXTS),
    "ia-neurons summed": lambda c: c.find_neurons_by_instances(TEXTS, aggregate="summed", method="grad-cos"),
    "predict": lambda c: c.predict(
        [*TEXTS, Query.instance("t3")],
        interventions=[
            Intervention("suppress", r=5),
            Intervention("keep", [(0, 1)]),
            Intervention("keep", method="ia:grad-dot", r=3),
            Intervention("suppress", method="ia:influence/fisher", r=3),
        ],
    ),
    "get": lambda c: c.get_instances(["t3", "t1"], with_neurons=True),
    "list": lambda c: list(c.list_instances(where="label = 'LABEL_1'", order_by="-loss", page_size=3)),
    "index": lambda c: replace(c.get_index(), name="", limits=None),
}


def timeless(answer: Any) -> Any:
    """An answer without the seconds that it took, and without the index's name."""
    if hasattr(answer, "info"):
        return replace(answer, info=replace(answer.info, timings=Timings(0, 0, 0), index=""))
    return answer


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_remote_and_in_process_answer_the_same(call: Callable[[Client], Any], remote: Client, local: Client) -> None:
    found, expected = timeless(call(remote)), timeless(call(local))
    assert found == expected
    if hasattr(found, "to_arrow"):
        assert found.to_arrow().num_rows == len(found.to_pandas()) > 0


def test_asyncio_answers_the_same(server: Any, local: Client) -> None:
    async def ask() -> Any:
        async with AsyncClient(f"127.0.0.1:{server.port}") as client:
            ia, na = await asyncio.gather(client.attribute_instances(TEXTS), client.attribute_neurons(TEXTS))
            listed = [instance async for instance in client.list_instances(page_size=7)]
            return ia, na, listed

    ia, na, listed = asyncio.run(ask())
    assert timeless(ia) == timeless(local.attribute_instances(TEXTS))
    assert timeless(na) == timeless(local.attribute_neurons(TEXTS))
    assert listed == list(local.list_instances())


def test_a_training_instance_as_text_scores_as_its_stored_row(local: Client) -> None:
    stored = next(local.list_instances(where="id = 't7'"))
    record = {
        "id": "t7",
        "premise": stored.fields["premise"],
        "hypothesis": stored.fields["hypothesis"],
        "label": stored.fields["label"],
    }
    by_text, by_row = local.attribute_instances([record], k=30), local.attribute_instances([Query.instance("t7")], k=30)
    left, right = ({hit.id: hit.score for hit in answer.results[0].hits} for answer in (by_text, by_row))
    assert left == pytest.approx(right, rel=1e-4, abs=1e-5)


def test_a_text_asked_again_costs_no_model_work(remote: Client) -> None:
    asked = [{**RECORD, "premise": "a text that nobody asked before"}]
    first, again = remote.attribute_instances(asked), remote.attribute_instances(asked)
    assert first.info.timings.encode > 0
    assert again.info.timings.encode == 0
    assert again.results == first.results


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (lambda c: c.attribute_instances([Query.instance("nobody")]), errors.NotFoundError, "UNKNOWN_INSTANCE"),
        (lambda c: c.attribute_instances([Query.vector(np.ones(3))]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([Query.vector([np.nan] * 72)]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([{"premise": "x"}]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([{**RECORD, "label": 7}]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([RECORD] * 1025), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([RECORD], k=31), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_instances([RECORD], method="influence"), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_neurons([Query.vector(np.ones(72))]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.attribute_neurons([RECORD], method="activation"), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.find_instances_by_neurons([Query.neurons([(9, 1)])]), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (
            lambda c: c.predict([RECORD], interventions=[Intervention("keep", [(0, 99)])]),
            errors.InvalidArgumentError,
            "INVALID_ARGUMENT",
        ),
        (
            lambda c: c.predict([RECORD], interventions=[Intervention("keep", method="ia:influence", r=3)]),
            errors.InvalidArgumentError,
            "INVALID_ARGUMENT",
        ),
        (
            lambda c: c.predict([RECORD], interventions=[Intervention("keep", method="ia:grad-dot/fisher", r=3)]),
            errors.InvalidArgumentError,
            "INVALID_ARGUMENT",
        ),
        (lambda c: c.list_page(page_token="???"), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
        (lambda c: c.list_page(page_size=5000), errors.InvalidArgumentError, "INVALID_ARGUMENT"),
    ],
)
def test_errors_have_the_same_kind_reason_and_words_on_both_sides(
    call: Callable[[Client], Any], kind: type[errors.ServiceError], reason: str, remote: Client, local: Client
) -> None:
    with pytest.raises(kind) as far:
        call(remote)
    with pytest.raises(kind) as near:
        call(local)
    assert far.value.reason == near.value.reason == reason
    assert str(far.value) == str(near.value)


def test_an_intervention_of_no_known_mode_is_refused_when_it_is_made() -> None:
    with pytest.raises(errors.UsageError, match="'drop': use 'suppress' or 'keep'"):
        Intervention("drop", r=5)


def test_an_influence_of_several_curvatures_says_how_one_is_named(local: Client) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="can use fisher, hessian here; name one: 'ia:influence/fisher'"):
        local.predict([RECORD], interventions=[Intervention("keep", method="ia:influence", r=3)])
    hits = local.find_neurons_by_instances([RECORD], method="influence", curvature="fisher", instances=30, r=3).results[0].neurons
    edit = Intervention("keep", method="ia:influence/fisher", r=3)
    kept = local.predict([RECORD], interventions=[edit]).results[0].interventions[0].neurons
    assert [(n.layer, n.unit) for n in kept] == [(n.layer, n.unit) for n in hits]


def test_queries_without_an_id_are_named_after_their_place(local: Client) -> None:
    record = {name: value for name, value in RECORD.items() if name != "id"}
    answer = local.attribute_instances([record, Query.instance("t3"), Query.vector(np.arange(72))])
    assert [result.query_id for result in answer.results] == ["query-0", "t3", "query-2"]


def test_an_unknown_index_is_named(server: Any) -> None:
    with (
        Client(f"127.0.0.1:{server.port}", index="indexx") as client,
        pytest.raises(errors.NotFoundError, match="did you mean 'index'"),
    ):
        client.get_index()


def test_a_server_that_is_not_there_is_said_plainly() -> None:
    with Client("127.0.0.1:1", timeout=3, retries=1) as client, pytest.raises(errors.UnavailableError, match="attridex serve"):
        client.get_index()


def test_a_filter_that_lets_nothing_through_gives_no_hits(local: Client) -> None:
    assert local.attribute_instances([RECORD], where="genre = 'nothing'").results[0].hits == ()
    assert local.find_instances_by_neurons([RECORD], where="genre = 'nothing'").results[0].hits == ()


def test_a_stream_answers_all_and_goes_on_after_a_failure(remote: Client) -> None:
    def asked(number: int) -> AttributeInstancesRequest:
        return AttributeInstancesRequest((Query.instance("nobody" if number == 7 else f"t{number % 30}"),), k=1)

    found = dict(remote.stream((number, asked(number)) for number in range(40)))
    assert sorted(found) == list(range(40))
    assert isinstance(found[7], errors.NotFoundError)
    assert isinstance(found[3], InstancesAnswer)
    assert found[3].results[0].query_id == "t3"


def test_what_the_requests_of_a_stream_raise_themselves_is_raised(remote: Client, server: Any) -> None:
    def asked() -> Iterator[tuple[int, AttributeInstancesRequest]]:
        yield 1, AttributeInstancesRequest((Query.instance("t1"),), k=1)
        raise KeyError("premise")

    with pytest.raises(KeyError, match="premise"):
        list(remote.stream(asked()))

    async def ask() -> None:
        async with AsyncClient(f"127.0.0.1:{server.port}") as client:
            async for _ in client.stream(asked()):
                pass

    with pytest.raises(KeyError, match="premise"):
        asyncio.run(ask())


def test_an_empty_request_of_a_stream_fails_alone(server: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = rpc.AttributionServiceStub(channel)
        (response,) = stub.AttributeStream(iter([pb.AttributeStreamRequest(sequence=40)]))
    assert (response.sequence, response.error.reason) == (40, "INVALID_ARGUMENT")


def test_many_callers_at_once_get_their_own_answers(remote: Client) -> None:
    records = [{**RECORD, "id": str(n), "premise": "the dog " * (1 + n % 5)} for n in range(24)]
    expected = {record["id"]: remote.attribute_neurons([record]).results[0].neurons for record in records}
    found: dict[Any, Any] = {}

    def ask(record: dict[str, Any]) -> None:
        found[record["id"]] = remote.attribute_neurons([record]).results[0].neurons

    threads = [threading.Thread(target=ask, args=(record,)) for record in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_deleted_instances_are_gone_and_readers_keep_their_version(own_server: Any) -> None:
    address = f"127.0.0.1:{own_server.port}"
    with Client(address) as remote, grpc.insecure_channel(address) as channel:
        before = remote.attribute_instances([RECORD], k=30).results[0].hits
        page = remote.list_page(page_size=5)
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        where = pb.Filter(
            comparison=pb.Comparison(column="genre", operator=pb.OPERATOR_EQUAL, value=pb.Literal(string_value="phone"))
        )
        answer = admin.DeleteInstances(admin_pb2.DeleteInstancesRequest(where=where))
        assert (answer.deleted, answer.index_version) == (15, "1+1")
        after = remote.attribute_instances([RECORD], k=15).results[0].hits
        gone = {f"t{number}" for number in range(0, 30, 2)}
        assert [hit.id for hit in after] == [hit.id for hit in before if hit.id not in gone]
        with pytest.raises(errors.NotFoundError):
            remote.attribute_instances([Query.instance("t2")])
        following = remote.list_page(page_token=page.next_page_token, page_size=25)  # the listing stays on its version
        assert (following.index_version, following.total, len(following.instances)) == ("1", 30, 25)
        with pytest.raises(errors.InvalidArgumentError, match="another index, condition or order"):
            remote.list_page(page_token=page.next_page_token, order_by="-loss")
        assert [v.version for v in admin.ListVersions(admin_pb2.ListVersionsRequest()).versions] == ["1"]
        assert admin.Activate(admin_pb2.ActivateRequest(version="1")).index_version == "1+1"
        assert remote.attribute_instances([RECORD], k=15).results[0].hits == after  # what is deleted stays deleted


def test_a_model_that_changed_is_refused(shared: Path, attridex: Any) -> None:
    index = shared / "index"
    manifest = json.loads((index / "versions/1/manifest.json").read_text())
    path = Path(manifest["model"]["path"]) / "config.json"
    before = path.read_text()
    path.write_text(before + "\n")
    try:
        ran = attridex("query", "ia", "--instance", "t1", "--index", index)
    finally:
        path.write_text(before)
    assert ran.code == 1
    assert "not the model that this index was built with" in ran.err


def test_without_a_model_only_lookups_are_answered_and_torch_stays_out(shared: Path) -> None:
    code = """
import sys
from attridex.client import Client, Query, errors
with Client.local(sys.argv[1], model=False) as client:
    assert client.attribute_instances([Query.instance("t3")]).results[0].hits
    assert client.find_instances_by_neurons([Query.neurons([(0, 1)])]).info.method == "dcns"
    try:
        client.attribute_instances([{"premise": "a", "hypothesis": "b"}])
    except errors.FailedPreconditionError as error:
        assert error.reason == "MODEL_REQUIRED", error.reason
    else:
        raise SystemExit("answered")
heavy = {"torch", "transformers"} & set(sys.modules)
assert not heavy, heavy
"""
    ran = subprocess.run([sys.executable, "-c", code, str(shared / "index")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_batch_job_killed_midway_ends_with_the_same_file(server: Any, tmp_path: Path, attridex: Any) -> None:
    queries = tmp_path / "many.jsonl"
    queries.write_text(
        "".join(json.dumps({**RECORD, "id": f"m{n}", "premise": "the dog " * (1 + n % 7)}) + "\n" for n in range(400))
    )
    ask = ["query", "ia", "--queries", queries, "--server", f"127.0.0.1:{server.port}"]
    assert attridex(*ask, "--out", tmp_path / "whole.jsonl").code == 0
    process = subprocess.Popen([*COMMAND, *map(str, ask), "--out", str(tmp_path / "cut.jsonl")], stderr=subprocess.DEVNULL)
    while process.poll() is None and not ((tmp_path / "cut.jsonl").exists() and (tmp_path / "cut.jsonl").stat().st_size):
        time.sleep(0.01)
    process.kill()
    process.wait()
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(cut.read_bytes() + b'{"query": "half a li')
    assert attridex(*ask, "--out", cut).code == 0
    assert cut.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    ran = attridex(*ask, "--out", cut, "--k", 3)
    assert ran.code == 2
    assert "begun with k not given, now 3" in ran.err
