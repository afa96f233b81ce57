"""The command `show`: what a model reads of the first records."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attridex.indexer.commands.options import Json, ModelPlace, emit

if TYPE_CHECKING:
    from attridex.indexer.config import Config
    from attridex.indexer.corpus.showing import ShownInstance, ShownSequence
    from attridex.indexer.index.records import Manifest


def show(
    place: Annotated[Path, typer.Argument(metavar="CONFIG|INDEX", help="Configuration file, or index.", show_default=False)],
    queries: Annotated[
        Path | None, typer.Option("--queries", help="Show these queries instead, as they would be asked.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many instances.")] = 3,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Between the columns of CSV and TSV queries; a comma or a tab unless given.")
    ] = None,
    quoting: Annotated[
        str | None,
        typer.Option(
            "--quoting",
            help="Of CSV and TSV queries: minimal where quotes stand around values, none where they belong to them.",
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Do not load the model; only the build says then whether it can be indexed.")
    ] = False,
    model: ModelPlace = None,
    as_json: Json = False,
) -> None:
    """Show what the model reads of the first records: tokens, special ones too, what has a loss, what is read, the label.

    What a build would refuse of the model, or of these records, is refused here alike.
    """
    for instance in shown_instances(place, queries, limit, (delimiter, quoting), model=not no_model, moved=model):
        if as_json:
            emit(asdict(instance))
        else:
            sys.stdout.write("\n".join(lines(instance)) + "\n")


def shown_instances(
    place: Path, queries: Path | None, limit: int, dialect: tuple[str | None, str | None], *, model: bool, moved: str | None
) -> "list[ShownInstance]":
    """The instances of a configuration's corpus, of an index, or queries of either.

    Args:
        place: configuration file, or index.
        queries: a file of queries, which are shown instead.
        limit: how many instances.
        dialect: delimiter and quoting of CSV and TSV queries.
        model: whether the model is loaded, where that may tell that it or a row is refused; an index's own is sound.
        moved: where the model lies now.
    """
    from attridex.indexer.config import load_config
    from attridex.indexer.index.directory import read_current, read_manifest
    from attridex.indexer.index.shards import open_shards
    from attridex.indexer.lifecycle.liveness import read_deleted
    from attridex.indexer.lifecycle.moved_model import with_model

    manifest = read_manifest(place, read_current(place)) if place.is_dir() else None
    given = with_model(manifest.config if manifest else load_config(place), moved)
    from attridex.indexer.corpus.showing import Dialect, corpus_instances, query_instances, shard_instances, shown
    from attridex.indexer.models.renderers import make_renderer, with_class_names
    from attridex.indexer.progress import say_all

    config = given if manifest else with_class_names(given)
    renderer = make_renderer(config)
    if manifest and moved:
        check_identity(config, manifest)
    if queries:
        found = query_instances(queries, config, renderer, limit, Dialect(*dialect))
    elif manifest:
        gone = read_deleted(place, manifest.version)
        found = shard_instances(open_shards(place, manifest.shards), config, renderer, limit, gone)
    else:
        found = corpus_instances(config, renderer, limit)
    instances = list(found)  # an error stands alone
    if model and (manifest is None or any(instance.surroundings for instance in instances)):
        from attridex.indexer.building.plan import checked_signer

        checked_signer(config).rows.check_all(instances)
    say_all(renderer.remarks, enabled=True)
    return [shown(instance, renderer.vocabulary, config.model.task) for instance in instances]


def check_identity(config: "Config", manifest: "Manifest") -> None:
    """Refuse another model than that of an index.

    Raises:
        InputError: it is another one; both hashes are told.
    """
    from attridex.indexer.errors import InputError
    from attridex.indexer.models.identity import config_identity

    if other := config_identity(config).difference(manifest.model.hash, manifest.model.tokenizer_hash, manifest.checkpoints):
        raise InputError(f"{config.model.path}: not the model that this index was built with ({other})")


def lines(instance: "ShownInstance") -> list[str]:
    """An instance for people."""
    facts = [f"{sum(len(each.ids) for each in instance.sequences)} tokens{', truncated' if instance.truncated else ''}"]
    if instance.label is not None:
        facts.append(f"label {instance.label}")
    found = [f"{instance.id}: {', '.join(facts)}"]
    for sequence in instance.sequences:
        found += [f"  {' '.join(sequence.tokens)}", f"    {covered(sequence)}"]
    return found


def covered(sequence: "ShownSequence") -> str:
    """What decides: the tokens that have a loss, or the one that is read."""
    if sequence.loss:
        learned = " ".join(sequence.tokens[at] for at in sequence.loss)
        return f"loss on {len(sequence.loss)} of {len(sequence.ids)} tokens: {learned}"
    if not sequence.read:
        return "read by the encoder"
    at = sequence.read[0]
    return f"read at token {at + 1} of {len(sequence.ids)}: {sequence.tokens[at]}"
