"""Memory that this process holds and this machine has free, and sizes as people write them."""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import ByteSize, TypeAdapter, ValidationError

from attridex.indexer.errors import InputError

STATUS, MACHINE, GROUP = Path("/proc/self/status"), Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def parse_size(text: str, option: str) -> int:
    """A size as people write it: 4GiB, 512MiB, 4000000000.

    Raises:
        InputError: it is none; `option` names where it stands.
    """
    try:
        size = int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        size = 0
    if size <= 0:
        raise InputError(f"{option} {text}: a size is needed, as 4GiB or 512MiB")
    return size


def as_option(size: int) -> str:
    """A size as `parse_size` reads it, rounded up to MiB where it has one."""
    return f"{-(-size // (1 << 20))}MiB" if size >= 1 << 20 else f"{size}B"


def available() -> int:
    """Bytes of memory that this machine has free, within its control group's limit; all that it has where it does not tell."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError):
        lines = MACHINE.read_text().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    with suppress(OSError, ValueError):  # no limit reads "max"
        found.append(int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return min(found)


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at the peak (which is all there is without Linux's /proc)."""
    with suppress(OSError):
        lines = (line.split() for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
        return next(int(line[1]) << 10 for line in lines)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size << 10
