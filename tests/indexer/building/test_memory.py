"""Memory is counted where it is taken."""

import numpy as np
import torch

from attridex.indexer.building.memory import watched
from attridex.indexer.held.memory import resident


def test_a_peak_is_what_was_taken_in_between() -> None:
    with watched(torch.device("cpu")) as peak:
        block = np.ones(32 << 20, np.uint8)
        del block
    assert 30 << 20 <= peak.bytes < 200 << 20
    assert 0 < resident("VmRSS") <= resident("VmHWM")
