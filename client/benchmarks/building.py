"""Building: what an index costs beside the plain passes over its corpus."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from attridex.client.benchmarks.measure import Figure, against, figure, paired
from attridex.client.benchmarks.scene import SMALL, configuration, forward, forward_and_backward, scene, texts
from attridex.indexer.building.build import build
from attridex.indexer.building.engines import build_ranges
from attridex.indexer.building.plan import make_plan, survey_corpus
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.signing.signer import Signer
from attridex.indexer.tasks.instance_batches import InstanceBatch, collate

INSTANCES, SHORTEST, LONGEST = 128, 32, 96
FEW, MANY = 1_000, 16_000


def build_head(repeats: int) -> Iterator[Figure]:
    """`head` scope: reading, rendering, signing and writing, against forward passes over the same batches."""
    with scene(SMALL, texts(INSTANCES, SHORTEST, LONGEST)) as directory:
        signer, shards = builder(directory, {"parameters": "head"})
        batches = batches_of(signer)

        def floor() -> None:
            for batch in batches:
                forward(signer.arch, batch.tokens)

        yield against("build head", shards, floor, "one forward pass over the corpus", target=1.15, repeats=repeats)


def build_linear(repeats: int) -> Iterator[Figure]:
    """`linear` scope with the kronecker projection, against forward and backward passes without weight gradients."""
    with scene(SMALL, texts(INSTANCES, SHORTEST, LONGEST)) as directory:
        signer, shards = builder(directory, {"parameters": "linear", "projection": "kronecker"})
        batches = batches_of(signer)

        def floor() -> None:
            for batch in batches:
                forward_and_backward(signer, batch)

        words = "forward and backward passes to activations, no weight gradients"
        yield against("build linear kronecker", shards, floor, words, target=1.1, repeats=repeats)


def build_flat(repeats: int) -> Iterator[Figure]:
    """A whole build, catalog and postings counted in, of few and of many instances of a tiny model: its cost an instance."""
    tiny = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    numbers = count()

    def whole(directory: Path) -> None:
        config = configuration(directory, gradients={"curvature": ["fisher"]}, neurons={"steps": 2})
        build(config, directory / f"index-{next(numbers)}", show_progress=False)

    with scene(tiny, texts(FEW, 8, 16)) as small, scene(tiny, texts(MANY, 8, 16)) as large:
        times = paired(lambda: whole(large), lambda: whole(small), max(1, repeats // 3))
    ratios = [much / MANY / (little / FEW) for much, little in times]
    yield figure(f"build, an instance of {MANY:,}", f"the same an instance of {FEW:,}", "x floor", 1.1, ratios, times)


def builder(directory: Path, gradients: dict[str, object]) -> tuple[Signer, Callable[[], object]]:
    """What builds the corpus's shards, each time into a new directory, with the model loaded."""
    config = configuration(directory, gradients={"dim": 4096, **gradients}, neurons={"enabled": False})
    signer = Signer.load(config)
    plan = make_plan(config, survey_corpus(config), signer)
    numbers = count()

    def shards() -> None:
        build_ranges(plan, signer, directory / f"index-{next(numbers)}", show_progress=False)

    return signer, shards


def instances_of(signer: Signer) -> list[RenderedInstance]:
    """The corpus as the build renders it."""
    return [each for _, each in rendered(signer.config.corpus, signer.renderer, labels_needed=True)]


def batches_of(signer: Signer) -> list[InstanceBatch]:
    """The corpus as the build batches it."""
    instances = instances_of(signer)
    groups = list(signer.batches(instances))
    return [collate([instances[row] for row in rows], signer.loaded.pad, signer.loaded.device) for rows in groups]
