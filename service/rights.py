"""Who asks, and what they may: a role, and the indices that they may ask."""

from collections.abc import Collection
from dataclasses import dataclass

from attridex.service.errors import IndexDeniedError, RoleError

QUERY, ADMIN = "query", "admin"
ROLES = (QUERY, ADMIN)
"""What a name may: ask, or ask and change."""


@dataclass(frozen=True)
class Asker:
    """Somebody who asks.

    Attributes:
        name: as the file of tokens, or else the client's certificate, has it; empty where it has none.
        role: one of `ROLES`.
        indices: names of those that may be asked; all where there are none.
    """

    name: str = ""
    role: str = QUERY
    indices: frozenset[str] = frozenset()

    def check_role(self, role: str) -> None:
        """Go on only with a role.

        Raises:
            RoleError: the asker has another; `admin` includes `query`.
        """
        if self.role not in (role, ADMIN):
            raise RoleError(f"'{self.name}' has the role {self.role}; this call needs {role}")

    def may_ask(self, index: str) -> bool:
        """Whether an index may be asked."""
        return not self.indices or index in self.indices

    def check_index(self, index: str, served: Collection[str]) -> None:
        """Go on only with an index that may be asked; one that may not be is not told from one that is not there.

        Raises:
            IndexDeniedError: it may not be asked.
        """
        if not self.may_ask(index):
            among = ", ".join(sorted(self.indices & set(served))) or "none here"
            raise IndexDeniedError(f"index: '{self.name}' may not ask '{index}'; it may ask: {among}", "index")


EVERYBODY = Asker()
"""Who asks where nobody is asked for a name."""
