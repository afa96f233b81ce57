"""Torch devices: which one is meant, and how much memory is free there."""

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import torch

from attridex.indexer.errors import InputError
from attridex.indexer.held.memory import available

KINDS = "auto, cpu, cuda or cuda:N"


def parse_devices(option: str) -> list[torch.device]:
    """The devices that `--search-device` names: all GPUs unless it numbers one, none for the CPU or where "auto" finds none.

    Raises:
        InputError: there is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if option == "cpu" or (option == "auto" and not count):
        return []
    name = "cuda" if option == "auto" else option
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number.isdecimal() or name == "cuda"):
        raise InputError(f"--search-device {option}: {KINDS} is needed")
    if int(number or 0) >= count:
        raise InputError(f"--search-device {option}: torch sees {count or 'no'} CUDA device{'s' if count > 1 else ''}; use cpu")
    return [torch.device("cuda", each) for each in ([int(number)] if number else range(count))]


class Roomiest(NamedTuple):
    """The device with the most free memory, and how much that is."""

    device: torch.device
    free: int


def roomiest(devices: Iterable[torch.device]) -> Roomiest:
    """The device with the most free memory."""
    return max((Roomiest(device, free_bytes(device)) for device in devices), key=attrgetter("free"))


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else available()
