"""Every IA method through the command line, against dense plain computations from each model's own autograd."""

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from attridex.indexer.config import ModelConfig
from attridex.indexer.curvature.spectrum import DenseBlock, Spectrum, lissa
from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import read_current
from attridex.indexer.index.layout import version_dir
from attridex.indexer.models.checkpoints import checkpoint_rates
from tests.conftest import SHOWN, records, tiny_model, word_tokenizer, write_jsonl

Array = np.ndarray[Any, Any]
COUNT, QUERIES = 14, 4
DAMPING = 0.37


class Plain:
    """A tiny OPT seen through autograd alone: gradients, layer inputs and output gradients of each instance."""

    def __init__(self, directory: Path, scope: str) -> None:
        """`scope` is "head", or every other linear layer."""
        self.model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        linear = {n: m for n, m in self.model.named_modules() if isinstance(m, torch.nn.Linear)}
        self.layers = {n: m for n, m in linear.items() if (n == "score") == (scope == "head")}

    def ids(self, record: dict[str, Any]) -> Tensor:
        """Token ids [1, T]."""
        text = " ".join(SHOWN["sequence-classification"]["segments"]).format(**record)
        return torch.tensor([[1, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]])

    def instance(self, record: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array], float]:
        """Gradient [o, i], inputs [T, i] and output gradients [T, o] of each layer, and the loss."""
        inputs: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}
        handles = []
        for name, layer in self.layers.items():

            def hook(_m: Any, args: Any, out: Tensor, name: str = name) -> None:
                inputs[name], outputs[name] = args[0].detach().reshape(-1, args[0].shape[-1]), out
                out.retain_grad()

            handles.append(layer.register_forward_hook(hook))
        ids = self.ids(record)
        body = self.model.model(ids).last_hidden_state[:, -1]
        loss = torch.nn.functional.cross_entropy(self.model.score(body), torch.tensor([record["label"]]))
        self.model.zero_grad()
        loss.backward()
        for handle in handles:
            handle.remove()
        return (
            {n: m.weight.grad.double().numpy() for n, m in self.layers.items()},
            {n: a.double().numpy() for n, a in inputs.items()},
            {n: o.grad.reshape(-1, o.shape[-1]).double().numpy() for n, o in outputs.items()},
            loss.item(),
        )

    def all(self, rows: list[dict[str, Any]]) -> list[tuple[dict[str, Array], dict[str, Array], dict[str, Array], float]]:
        """Every instance alone."""
        return [self.instance(row) for row in rows]


def flat(parts: dict[str, Array]) -> Array:
    return np.concatenate([part.ravel() for part in parts.values()])


def train_rows() -> list[dict[str, Any]]:
    return records(COUNT)


def query_rows() -> list[dict[str, Any]]:
    return records(COUNT)[:QUERIES]


def block_diagonal(blocks: list[Array]) -> Array:
    size = sum(map(len, blocks))
    out, at = np.zeros((size, size)), 0
    for block in blocks:
        out[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return out


def dense_kfac(plain: Plain, train: list[Any], refit: bool) -> Array:
    """K-FAC (or EK-FAC) of every layer as one dense matrix, by Kronecker products."""
    blocks = []
    for name in plain.layers:
        a = np.concatenate([inputs[name] for _, inputs, _, _ in train])
        delta = np.concatenate([errors[name] for _, _, errors, _ in train])
        left, right = delta.T @ delta, a.T @ a
        if not refit:
            blocks.append(np.kron(left, right) / (len(a) * len(train)))
            continue
        basis = np.kron(np.linalg.eigh(left)[1], np.linalg.eigh(right)[1])
        squares = np.mean([(basis.T @ gradient[name].ravel()) ** 2 for gradient, _, _, _ in train], axis=0)
        blocks.append((basis * squares) @ basis.T)
    return block_diagonal(blocks)


@pytest.fixture
def place(indexed: Callable[..., Path]) -> Callable[..., Path]:
    """A directory with an index without neurons."""
    return lambda gradients, **sections: indexed("opt", COUNT, gradients=gradients, neurons={"enabled": False}, **sections)


@pytest.fixture
def scores(place: Callable[..., Path], attridex: Callable[..., Any]) -> Callable[..., Array]:
    """Scores [query, train] of a method, through the command line."""

    def ask(gradients: dict[str, Any], *options: object, **sections: Any) -> Array:
        made = place(gradients, **sections)
        where = ("--index", made / "index", "--queries", made / "queries.jsonl")
        ran = attridex("query", "ia", *where, "--json", "--k", COUNT, *options)
        assert ran.code == 0, ran.err
        found = np.full((QUERIES, COUNT), np.nan)
        for row, line in enumerate(ran.lines):
            for hit in line["hits"]:
                found[row, int(hit["id"][1:])] = hit["score"]
        return found

    return ask


def close(found: Array, expected: Array, rtol: float = 1e-3) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["kfac", "ekfac"])
@pytest.mark.parametrize("scope", ["head", "fc1"])
def test_kfac_and_ekfac_equal_a_dense_inverse(
    kind: str, scope: str, scores: Callable[..., Array], model_dir: Callable[..., Path]
) -> None:
    plain = Plain(model_dir("opt"), scope)
    if scope == "fc1":
        plain.layers = {n: m for n, m in plain.model.named_modules() if n.endswith("layers.1.fc1")}
    train, asked = plain.all(train_rows()), plain.all(query_rows())
    matrix = dense_kfac(plain, train, kind == "ekfac")
    stored = np.stack([flat(gradient) for gradient, _, _, _ in train])
    solved = np.linalg.solve(matrix + DAMPING * np.eye(len(matrix)), np.stack([flat(g) for g, _, _, _ in asked]).T)
    parameters = scope if scope == "head" else r"layers\.1\.fc1"
    found = scores(
        {"parameters": parameters, "projection": "none", "curvature": [kind]}, "--method", "influence", "--damping", DAMPING
    )
    close(found, (stored @ solved).T)


def test_kfac_in_the_projected_space_equals_a_dense_inverse_there(
    scores: Callable[..., Array], model_dir: Callable[..., Path]
) -> None:
    from attridex.indexer.gradients.projection import kronecker_sides

    plain = Plain(model_dir("opt"), "linear")
    sides = {
        name: kronecker_sides(name, tuple(layer.weight.shape), 120 // len(plain.layers), 0)
        for name, layer in plain.layers.items()
    }

    def projected(one: Any) -> Any:
        gradient, inputs, errors, loss = one
        outer = {n: (np.eye(len(g)) if sides[n].outer is None else sides[n].outer.matrix.numpy()) for n, g in gradient.items()}
        inner = {
            n: (np.eye(g.shape[1]) if sides[n].inner is None else sides[n].inner.matrix.numpy()) for n, g in gradient.items()
        }
        return (
            {n: outer[n] @ g @ inner[n].T for n, g in gradient.items()},
            {n: a @ inner[n].T for n, a in inputs.items()},
            {n: d @ outer[n].T for n, d in errors.items()},
            loss,
        )

    train, asked = [projected(one) for one in plain.all(train_rows())], [projected(one) for one in plain.all(query_rows())]
    stored, queries = (np.stack([flat(g) for g, _, _, _ in rows]) for rows in (train, asked))
    for kind in ("kfac", "ekfac"):
        matrix = dense_kfac(plain, train, kind == "ekfac")
        damping = 0.1 * float(np.trace(matrix)) / len(matrix)
        solved = np.linalg.solve(matrix + damping * np.eye(len(matrix)), queries.T)
        found = scores(
            {"parameters": "linear", "dim": 120, "curvature": ["kfac", "ekfac"]}, "--method", "influence", "--curvature", kind
        )
        close(found, (stored @ solved).T, rtol=2e-3)


def test_trak_is_the_papers_formula(scores: Callable[..., Array], model_dir: Callable[..., Path]) -> None:
    plain = Plain(model_dir("opt"), "head")
    train, asked = plain.all(train_rows()), plain.all(query_rows())

    def margin_gradients(rows: list[Any]) -> tuple[Array, Array]:
        """Gradients of f = log p / (1 - p) by autograd's chain rule, and 1 - p."""
        doubts = np.array([1 - math.exp(-loss) for _, _, _, loss in rows])
        return np.stack([-flat(g) / d for (g, _, _, _), d in zip(rows, doubts, strict=True)]), doubts

    (phi, doubts), (asked_phi, _) = margin_gradients(train), margin_gradients(asked)
    kernel = phi.T @ phi + COUNT * DAMPING * np.eye(phi.shape[1])
    expected = asked_phi @ np.linalg.solve(kernel, phi.T) * doubts
    close(scores({"curvature": ["trak"]}, "--method", "trak", "--damping", DAMPING), expected)


@pytest.mark.parametrize("recorded", [2, 1, 0])
def test_tracin_weighs_checkpoints_by_the_rates_written_beside_them(
    recorded: int, scores: Callable[..., Array], model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoints = [shutil.copytree(model_dir("opt"), tmp_path / f"step{number}") for number in range(2)]
    rates = [0.25, 0.5]
    for directory, rate in list(zip(checkpoints, rates, strict=True))[:recorded]:
        (directory / "finetune.json").write_text(json.dumps({"learning_rate": rate}))
    model = {"checkpoints": list(map(str, checkpoints))}
    if recorded == 1:
        with pytest.raises(InputError, match="does not say its learning rate as others do; give"):
            checkpoint_rates(ModelConfig(path="", **model))
        return
    found = scores({}, "--method", "tracin", model=model)
    close(found, (sum(rates) if recorded else 2.0) * scores({}, "--method", "grad-dot"))


def test_tracin_sums_over_checkpoints(scores: Callable[..., Array], model_dir: Callable[..., Path], tmp_path: Path) -> None:
    checkpoints = []
    for number in range(2):
        torch.manual_seed(10 + number)
        model = tiny_model("opt")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        model.save_pretrained(tmp_path / f"step{number}")
        word_tokenizer().save_pretrained(tmp_path / f"step{number}")
        checkpoints.append(tmp_path / f"step{number}")
    rates = [0.5, 2.0]
    expected = np.zeros((QUERIES, COUNT))
    for rate, directory in zip(rates, checkpoints, strict=True):
        plain = Plain(directory, "head")
        stored, queries = (np.stack([flat(g) for g, _, _, _ in plain.all(rows)]) for rows in (train_rows(), query_rows()))
        expected += rate * queries @ stored.T
    found = scores({}, "--method", "tracin", model={"checkpoints": list(map(str, checkpoints)), "checkpoint_rates": rates})
    close(found, expected)


def test_lissa_equals_its_recursion_run_by_hand(scores: Callable[..., Array], model_dir: Callable[..., Path]) -> None:
    plain = Plain(model_dir("opt"), "head")
    stored, queries = (np.stack([flat(g) for g, _, _, _ in plain.all(rows)]) for rows in (train_rows(), query_rows()))
    fisher = stored.T @ stored / COUNT
    damping, scale, depth = 0.05, 4 * float(np.linalg.eigvalsh(fisher)[-1]), 60
    v = queries.copy()
    for _ in range(depth):
        v = queries + (1 - damping) * v - v @ fisher / scale
    found = scores(
        {"curvature": ["fisher"]}, "--method", "lissa", "--damping", damping, "--lissa-scale", scale, "--lissa-depth", depth
    )
    close(found, (v / scale) @ stored.T)


def test_lissa_tends_to_the_damped_inverse_and_sums_up_where_nothing_decays() -> None:
    values = np.array([0.0, 0.5, 3.0])
    spectrum = Spectrum([DenseBlock(slice(0, 3), values, np.eye(3))])
    np.testing.assert_allclose(spectrum.apply(np.ones((1, 3)), lissa(0.1, 4.0, 5000))[0], 1 / (values + 0.4), rtol=1e-9)
    assert lissa(0.0, 2.0, 9)(np.zeros(1)).tolist() == [5.0]


def test_bm25_is_the_lucene_formula(scores: Callable[..., Array]) -> None:
    def words(row: dict[str, Any]) -> list[str]:
        return [word for word in f"{row['premise']} {row['hypothesis']}".lower().split() if word.isalnum()]

    texts = [Counter(words(row)) for row in train_rows()]
    lengths = np.array([sum(text.values()) for text in texts])
    expected = np.zeros((QUERIES, COUNT))
    for at, row in enumerate(query_rows()):
        for word in words(row):
            having = sum(word in text for text in texts)
            idf = math.log(1 + (COUNT - having + 0.5) / (having + 0.5))
            for number, text in enumerate(texts):
                tf = text[word]
                expected[at, number] += idf * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * lengths[number] / lengths.mean()))
    close(scores({}, "--method", "bm25"), expected)


def test_random_is_seeded_by_the_query(scores: Callable[..., Array]) -> None:
    first, again, other = (
        scores({}, "--method", "random"),
        scores({}, "--method", "random"),
        scores({}, "--method", "random", "--seed", 1),
    )
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()
    assert len(np.unique(first)) == first.size
    assert 0 <= first.min() < 0.2 < 0.8 < first.max() < 1


def test_self_influence_is_a_column(place: Callable[..., Path], model_dir: Callable[..., Path]) -> None:
    plain = Plain(model_dir("opt"), "head")
    stored = np.stack([flat(g) for g, _, _, _ in plain.all(train_rows())])
    fisher = stored.T @ stored / COUNT
    fisher += 0.1 * np.trace(fisher) / len(fisher) * np.eye(len(fisher))
    index = place({"curvature": ["fisher", "ekfac"]}) / "index"
    with duckdb.connect(str(version_dir(index, read_current(index)) / "catalog.duckdb"), read_only=True) as catalog:
        rows = catalog.execute(
            "SELECT self_influence, self_influence_fisher, self_influence_ekfac FROM instances ORDER BY row"
        ).fetchall()
    found = np.array(rows)
    close(found[:, 0], (stored**2).sum(1))
    close(found[:, 1], np.einsum("nd,nd->n", stored, np.linalg.solve(fisher, stored.T).T))
    assert (found[:, 2] > 0).all()


@pytest.mark.parametrize("model", [True, False])
def test_baselines_need_no_model(model: bool, place: Callable[..., Path]) -> None:
    from attridex.client import Client

    with Client.local(place({}) / "index", model=model) as client:
        for method in ("bm25", "random"):
            answer = client.attribute_instances([{k: v for k, v in query_rows()[0].items() if k != "choices"}], method=method)
            assert len(answer.results[0].hits) == 10
            assert (answer.results[0].prediction is not None) == model
            assert answer.info.sign


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "grad-dot", "--damping", 1], "damping: method 'grad-dot' has none"),
        (["--method", "bm25", "--seed", 1], "seed: method 'bm25' has none"),
        (["--method", "lissa", "--damping", -1], "damping = -1.0: must be a positive number"),
        (["--method", "lissa", "--lissa-scale", 1e-9], "LiSSA diverges below"),
        (["--method", "trak"], 'gradients.curvature = ["trak"]'),
        (["--method", "tracin"], "model.checkpoints"),
        (["--method", "influence", "--curvature", "ekfac"], "'ekfac' is not in this index; it has fisher"),
        (["--method", "nearest"], "unknown 'nearest'"),
    ],
)
def test_a_method_that_cannot_be_asked_is_one_line(
    options: list[object], said: str, place: Callable[..., Path], attridex: Callable[..., Any]
) -> None:
    made = place({"curvature": ["fisher"]})
    ran = attridex("query", "ia", "--index", made / "index", "--queries", made / "queries.jsonl", *options)
    assert ran.code in (1, 2)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_finetuning_keeps_checkpoints_for_tracin(
    project: Callable[..., Path], attridex: Callable[..., Any], model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    training = {"base": str(model_dir("llama")), "epochs": 3, "batch_size": 4, "learning_rate": 0.01, "keep_checkpoints": 2}
    config = project("llama", corpus={"labels": ["a", "b", "c"]}, training=training)
    assert attridex("finetune", config, "--out", tmp_path / "model").code == 0
    kept = sorted((tmp_path / "model").glob("checkpoint-*"))
    assert len(kept) == 2
    rates = [json.loads((path / "finetune.json").read_text())["learning_rate"] for path in kept]
    assert rates[0] > rates[1] > 0
    write_jsonl(tmp_path / "one.jsonl", records(1))
    text = config.read_text().replace(str(model_dir("llama")), "model", 1).replace('"base"', "base")
    config.write_text(text.replace("[model]", f"[model]\ncheckpoints = {json.dumps([f'model/{path.name}' for path in kept])}"))
    assert attridex("build", config, "--out", tmp_path / "index").code == 0
    ran = attridex(
        "query", "ia", "--index", tmp_path / "index", "--queries", tmp_path / "one.jsonl", "--method", "tracin", "--json"
    )
    assert ran.code == 0, ran.err
