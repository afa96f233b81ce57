"""Writes client/aio.py from client/client.py (`make async`): each call once more, awaited. A test holds the two together."""

import re
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "client"
RULES = {
    r'\A""".*"""': '"""The asyncio client. `make async` writes this file from `client.py`: change that one."""',
    r"class Client\(Connection\)": "class AsyncClient(AsyncConnection)",
    r"import Connection,": "import AsyncConnection,",
    r"import Iterable, Iterator,": "import AsyncIterator, Iterable,",
    r"-> Iterator\[": "-> AsyncIterator[",
    r"^    def ": "    async def ",
    r"\bself\.(send|list_page|_call)\(": r"await self.\1(",
    r"^( +)yield from (.*)$": r"\1for each in \2:\n\1    yield each",
    r"for (response|block) in ": r"async for \1 in ",
    r"with Client\(": "async with AsyncClient(",
    r"answer = client\.": "answer = await client.",
}
"""What is replaced by what: the blocking client's words by those of asyncio."""


def asynchronous(source: str) -> str:
    """The asyncio client's source, from the blocking one's."""
    for found, replacement in RULES.items():
        source = re.sub(found, replacement, source, flags=re.MULTILINE)
    return source


if __name__ == "__main__":
    (CLIENT / "aio.py").write_text(asynchronous((CLIENT / "client.py").read_text()))
