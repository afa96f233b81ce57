"""What is known of a model before its weights are loaded: its source, its own configuration, its family and labels."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from attridex.indexer.adapter_paths import CONFIG as ADAPTER_CONFIG
from attridex.indexer.config import RENDERING, ModelConfig
from attridex.indexer.errors import InputError, first_line, one_line
from attridex.indexer.models.adapters import SavedAdapter
from attridex.indexer.models.families import Family, family_of, known_families
from attridex.indexer.models.quantised import quantisation
from attridex.indexer.models.tokenizers import check_code
from attridex.indexer.outputs import misplaced_name, moved_name, whole_number
from attridex.indexer.structure.heads import auto_model, check_head, check_problem, scores_choices
from attridex.indexer.task_kinds import LANGUAGE_TASKS, Task


def task_config(model: ModelConfig, adapter: SavedAdapter | None, setting: str = "model.path") -> tuple[Any, Family]:
    """The model's own configuration, with as many outputs as the adapter's head has, and its family.

    Args:
        model: the section of the configuration.
        adapter: of the model.
        setting: of the configuration, which names the model.

    Raises:
        InputError: there is none, transformers has no such model for the task, or it was trained for another task.
    """
    hf = load_hf_config(model.path, model.revision, remote_code=model.trust_remote_code, setting=setting)
    check_head(model.task, hf, model.path, adapted=adapter is not None)
    check_problem(model.task, hf, model.path)
    family = family_of(auto_model(model.task, hf), hf, model.path, remote_code=model.trust_remote_code)
    quantisation(hf, model)
    outputs = adapter.outputs(family.head) if adapter else None
    if outputs is not None and outputs != hf.num_labels:
        hf.num_labels = outputs
    return hf, family


def check_task(task: Task, family: Family, hf: Any, where: str) -> None:
    """Refuse a model that cannot do a task.

    Args:
        task: what is asked of the model.
        family: the model's.
        hf: the model's own configuration.
        where: names the model in errors.

    Raises:
        InputError: an encoder as a language model, or a multiple-choice model with several outputs.
    """
    if task == "causal-lm" and not family.causal:
        raise InputError(f'{where}: a {hf.model_type} model is an encoder; task "causal-lm" needs a causal language model')
    if task == "multiple-choice" and hf.num_labels != 1 and not scores_choices(hf):
        raise InputError(f'{where}: the model has {hf.num_labels} outputs; task "multiple-choice" scores each choice by one')


def check_source(path: str, revision: str | None, setting: str = "model.path") -> None:
    """Refuse a model that is neither a directory nor on the Hub, at once and without retries.

    Args:
        path: of the model.
        revision: of a model on the Hub.
        setting: of the configuration, which names the model.

    Raises:
        InputError: no such directory, and the Hub does not have it or does not answer.
    """
    if Path(path).is_dir():
        if (Path(path) / ADAPTER_CONFIG).is_file():
            use = "this as model.adapter" if setting == "model.path" else "train from that"
            raise InputError(f"{path}: a PEFT adapter; give its base model as {setting} and {use}")
        return
    place = f"{setting}, or --model where it lies now" if setting == "model.path" else setting
    if Path(path).is_absolute() or path.startswith("."):
        raise InputError(f"{path}: no such model directory ({place}){alike(path)}")
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if try_to_load_from_cache(path, "config.json", revision=revision):
            return
        HfApi().model_info(path, revision=revision, timeout=10)
    except HFValidationError:
        raise InputError(
            f"{path}: no such model directory ({setting}, seen from the configuration file), and no name on the Hub"
        ) from None
    except Exception as error:  # no network, no such model, no right to see it: one answer
        raise InputError(f"{path}: no such model directory ({place}), and {hub_says(error)}{alike(path)}") from None


def alike(path: str) -> str:
    """A directory beside a missing one that is called nearly as it is, as a question; nothing where there is none."""
    place = Path(path).parent
    names = [each.name for each in place.iterdir() if each.is_dir()] if place.is_dir() else []
    found = get_close_matches(Path(path).name, names, 1)
    return f"; did you mean '{place / found[0]}'?" if found else ""


def hub_says(error: Exception) -> str:
    """Why the Hub gives no model of that name."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "the Hub is not asked (HF_HUB_OFFLINE is set)"
    return f"not to be had from the Hub: {first_line(error)}"


def load_hf_config(path: str, revision: str | None, *, remote_code: bool = False, setting: str = "model.path") -> Any:
    """The model's own configuration.

    Args:
        path: of the model.
        revision: of a model on the Hub.
        remote_code: whether code that lies beside the model may run.
        setting: of the configuration, which names the model.

    Raises:
        InputError: there is none, or it comes with code of its own that may not run.
    """
    check_source(path, revision, setting)
    known_families()
    try:
        return AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=remote_code)
    except Exception as error:  # of the configurations' own kinds, where one does not fit together
        check_code(str(error), path, "model")
        raise InputError(f"{path}: no model can be loaded from there ({setting}): {one_line(error)}") from None


def resolve_labels(wanted: list[str] | None, hf: Any, task: Task, rendering: int = RENDERING) -> list[str]:
    """Names of the model's outputs, in their order; none where each record brings its own (choices, targets).

    Args:
        wanted: `corpus.labels`.
        hf: the model's own configuration.
        task: what the model decides.
        rendering: number of the rules by which records are read.

    Raises:
        InputError: `corpus.labels` has another length than the model has outputs, a name twice, or the model's own names in
            another order; or the model's own names stand twice, or with other numbers in its label2id.
    """
    if task in ("multiple-choice", *LANGUAGE_TASKS):
        return []
    if task == "sequence-classification" and hf.num_labels == 1:
        return two_labels(wanted)
    own = own_names(hf)
    if wanted is None and len(set(own)) == len(own):
        if rendering > 1:
            check_numbers(hf.label2id or {}, own)
        return own
    if wanted is None:
        raise InputError(f"the model has a label twice: {', '.join(own)}; name its outputs apart by corpus.labels")
    if len(wanted) != len(own):
        raise InputError(f"corpus.labels names {len(wanted)} labels ({', '.join(wanted)}); the model has {len(own)} outputs")
    if len(set(wanted)) != len(wanted):
        raise InputError(f"corpus.labels has a name twice: {', '.join(wanted)}")
    if rendering > 1:
        check_order(wanted, own)
    return list(wanted)


def own_names(hf: Any) -> list[str]:
    """A model's own names of its outputs, in their order.

    Raises:
        InputError: they are not numbered from 0.
    """
    if sorted(hf.id2label) != list(range(hf.num_labels)):
        found = ", ".join(map(str, sorted(hf.id2label)))
        raise InputError(f"the model's config.json numbers its outputs {found} in id2label; 0 to {hf.num_labels - 1} are needed")
    return [str(hf.id2label[number]) for number in range(hf.num_labels)]


def check_numbers(given: Mapping[str, Any], own: Sequence[str]) -> None:
    """Refuse a model whose own settings give a name two numbers; those that transformers gives unasked say nothing.

    Args:
        given: `label2id` of its configuration.
        own: names by `id2label`, in the order of their numbers.

    Raises:
        InputError: they do.
    """
    numbers = {str(name): number for name, value in given.items() if (number := whole_number(value)) is not None}
    unasked = all(name == f"LABEL_{number}" for name, number in numbers.items())
    name = None if unasked else misplaced_name(numbers, own)
    if name is not None:
        raise InputError(
            f"the model's config.json has '{name}' as number {numbers[name]} in label2id, and as another in id2label "
            f"({', '.join(own)}); mend the one that is not the training's, or name the outputs in their order by corpus.labels"
        )


def two_labels(wanted: list[str] | None) -> list[str]:
    """Names of the two labels between which one logit decides: below 0, and above.

    Raises:
        InputError: `corpus.labels` names not two of them.
    """
    if wanted is not None and (len(wanted) != 2 or wanted[0] == wanted[1]):
        raise InputError(
            f"corpus.labels names {len(wanted)} labels ({', '.join(wanted)}); the model's one output decides between two: name "
            'the one below 0 and the one above, as ["no", "yes"] (a model of numbers: model.task = "regression")'
        )
    return wanted or ["0", "1"]


def check_order(wanted: Sequence[str], own: Sequence[str]) -> None:
    """Refuse names of a model's outputs in another order than its own.

    Raises:
        InputError: one of the names is another output's.
    """
    if (name := moved_name(wanted, own)) is not None:
        raise InputError(
            f"corpus.labels has '{name}' at another place than the model: its outputs are, in their order, {', '.join(own)}; "
            "name them in that order (or leave corpus.labels out, for a trained model): names in the records decide"
        )
