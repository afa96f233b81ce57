"""Writes client/aio.py from client/client.py, and administration/aio.py alike (`make async`): each call once more, awaited.

A test holds them together.
"""

import re
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "client"
RULES = {
    r"class (\w*Client)\((Connection|Opened)\)": r"class Async\1(AsyncConnection)",
    r"import (Connection|Opened)\b": "import AsyncConnection",
    r"import Iterable, Iterator,": "import AsyncIterator, Iterable,",
    r"-> Iterator\[": "-> AsyncIterator[",
    r"^    def ": "    async def ",
    r"\bself\.(send|list_page|_call|_ask)\(": r"await self.\1(",
    r"^( +)yield from (.*)$": r"\1for each in \2:\n\1    yield each",
    r"for (response|block) in ": r"async for \1 in ",
    r"with (\w*Client)\(": r"async with Async\1(",
    r"answer = client\.": "answer = await client.",
    r"^            admin\.": "            await admin.",
}
"""What is replaced by what: the blocking client's words by those of asyncio."""


FILES = {"client.py": "aio.py", "administration/client.py": "administration/aio.py"}
"""The asyncio client's file, by the blocking one's."""


def asynchronous(source: str, name: str) -> str:
    """The asyncio client's source, from that of the blocking one's file."""
    words = f'"""The same with asyncio. `make async` writes this file from `{name}`: change that one."""'
    source = re.sub(r'\A""".*"""', words, source)
    for found, replacement in RULES.items():
        source = re.sub(found, replacement, source, flags=re.MULTILINE)
    return source


if __name__ == "__main__":
    for name, made in FILES.items():
        (CLIENT / made).write_text(asynchronous((CLIENT / name).read_text(), name))
