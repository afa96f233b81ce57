"""Settings of studies: a dataclass each, read from TOML, unknown keys refused with the nearest known one."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from attridex.client.errors import UsageError

Dataclass = TypeVar("Dataclass")


@dataclass(frozen=True)
class Common:
    """What all studies of a run share."""

    queries: Annotated[int, "how many are drawn from the query file by the seed; 0 takes all"] = 200
    methods: Annotated[
        tuple[str, ...],
        "instance methods to compare, `influence/fisher` naming the curvature; empty for all that the index answers",
    ] = ()
    label: Annotated[
        Literal["predicted", "gold"], "whose loss a query's gradient is of; gold for language models and regression"
    ] = "predicted"
    seeds: Annotated[
        int, "trainings of every model that a study retrains, each with a seed of its own; intervals hold their chance from 2 on"
    ] = 1
    same: Annotated[
        dict[str, tuple[str, ...]],
        "names of a gold label that stand for several outputs of the model, as "
        '`{ "non-entailment" = ["neutral", "contradiction"] }`',
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """A settings file: what is shared, and a table for each study."""

    common: Common
    tables: Mapping[str, Any]
    base: Path

    def of(self, name: str, kind: type[Dataclass]) -> Dataclass:
        """The settings of one study."""
        return parsed_settings(kind, self.tables.get(name, {}), f"[{name}]")


def load_settings(path: Path | None, kinds: Mapping[str, type[Any]]) -> Settings:
    """Read a settings file and check all of it; without one everything has its default.

    Args:
        path: TOML; keys of `Common` at the top, a table for each study.
        kinds: the dataclass of each study's table.

    Raises:
        UsageError: no such file, not TOML, an unknown key, or a value of the wrong type.
    """
    if path is None:
        return Settings(Common(), {}, Path())
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    tables = {name: value for name, value in data.items() if name in kinds}
    common = parsed_settings(Common, {name: value for name, value in data.items() if name not in kinds}, str(path), [*kinds])
    settings = Settings(common, tables, path.resolve().parent)
    for name, kind in kinds.items():
        parsed_settings(kind, tables.get(name, {}), f"{path}: [{name}]")
    return settings


def parsed_settings(kind: type[Dataclass], data: Any, where: str, others: list[str] | None = None) -> Dataclass:
    """A dataclass from a table.

    Args:
        kind: the dataclass.
        data: the table, as TOML has it.
        where: begins messages.
        others: what else an unknown key may be meant for.

    Raises:
        UsageError: an unknown key (the nearest known one is named), a value of the wrong type, or a number out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(data, dict):
        raise UsageError(f"{where}: a table of settings is needed, this is {data!r}")
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            near = get_close_matches(name, [*known, *(others or [])], n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"{where}: unknown key '{name}'; {hint}")
    try:
        # JSON's strict reading takes a list for a tuple, and neither true for 1 nor "1".
        found = TypeAdapter(kind).validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: {key}: {first['msg'].replace('tuple', 'array')}") from None
    check_numbers(vars(found), where)
    return found


SHARES = ("share", "fractions")


def check_numbers(values: Mapping[str, Any], where: str) -> None:
    """Refuse numbers that no setting can have: negative ones, and shares that are not above 0 and at most 1."""
    for name, value in values.items():
        for one in value if isinstance(value, tuple) else (value,):
            if name in SHARES and not 0 < one <= 1:
                raise UsageError(f"{where}: {name}: {one} is no share; above 0 and at most 1 is right")
            if isinstance(one, int | float) and one < 0:
                raise UsageError(f"{where}: {name}: {one} must not be negative")
