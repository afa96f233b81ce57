"""A configuration, its signer and its plan, of a tiny model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from attridex.indexer.building.plan import Plan, make_plan, survey_corpus
from attridex.indexer.config import Config, load_config
from attridex.indexer.signing.signer import Signer


class Begun(NamedTuple):
    """A build that may begin."""

    config: Config
    plan: Plan
    signer: Signer


@pytest.fixture
def begun(project: Callable[..., Path]) -> Callable[..., Begun]:
    """What a build makes before it writes; arguments as of `project`."""

    def make(*arguments: Any, **sections: Any) -> Begun:
        config = load_config(project(*arguments, **sections))
        signer = Signer.load(config)
        return Begun(config, make_plan(config, survey_corpus(config), signer), signer)

    return make
