"""Who a caller is, by a token or a certificate, and whether they may have a role."""

from collections.abc import Collection, Sequence
from pathlib import Path

from attridex.service.access.followed import Followed
from attridex.service.access.tokens import Tokens, read_tokens
from attridex.service.errors import RoleError, UnauthenticatedError
from attridex.service.rights import ADMIN, EVERYBODY, Asker

HOW = "send the metadata `authorization: Bearer TOKEN`"
CLOSED = (
    "administration needs the role admin: start the server with --tokens FILE and send an admin's token "
    "(or, for anyone on this machine, with --insecure-admin)"
)


class Access:
    """Decides who may ask."""

    def __init__(self, tokens: Path | None = None, *, insecure_admin: bool = False) -> None:
        """Read the file of tokens.

        Args:
            tokens: the file, followed from now on; without one everybody may ask, and nobody may administrate.
            insecure_admin: whether everybody may administrate too.

        Raises:
            InputError: the file cannot be used.
        """
        self._tokens = Followed([tokens], lambda: read_tokens(tokens)) if tokens else None
        self._insecure_admin = insecure_admin

    def asker(self, authorization: Sequence[str], certified: Collection[str]) -> Asker:
        """Who asks.

        Args:
            authorization: values of that metadata.
            certified: names of the client's verified certificate.

        Raises:
            UnauthenticatedError: nobody who is known.
        """
        return EVERYBODY if self._tokens is None else known(self._tokens.get(), authorization, certified)

    def check(self, asker: Asker, role: str) -> None:
        """Go on only with a role; "" is any.

        Raises:
            RoleError: the asker has another.
        """
        if self._tokens is None:
            if role == ADMIN and not self._insecure_admin:
                raise RoleError(CLOSED)
        elif role:
            asker.check_role(role)


def known(tokens: Tokens, authorization: Sequence[str], certified: Collection[str]) -> Asker:
    """Who has a token, or, without one, a certificate.

    Raises:
        UnauthenticatedError: nobody, or there is more than one answer.
    """
    if len(authorization) > 1:
        raise UnauthenticatedError(f"{len(authorization)} tokens came; {HOW} once")
    if authorization:
        kind, _, token = authorization[0].partition(" ")
        asker = tokens.of_token(token.strip()) if kind.lower() == "bearer" else None
        if asker is None:
            raise UnauthenticatedError(f"the token is not one that this server knows; {HOW}")
        return asker
    found = tokens.of_certificate(certified)
    if len(found) > 1:
        raise UnauthenticatedError(f"the certificate has the names of {len(found)} lines of the file of tokens; one is needed")
    if not found:
        words = "the certificate has no name that this server knows" if certified else "this server answers those with a token"
        raise UnauthenticatedError(f"{words}; {HOW}")
    return found[0]
