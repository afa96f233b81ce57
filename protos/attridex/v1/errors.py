"""Errors of a call that is wrong in itself, wherever that is noticed: by the client before it is sent, or by the server."""


class ClientError(Exception):
    """Base of all errors of the client. `exit_code` is the command line's."""

    exit_code = 1


class UsageError(ClientError):
    """The call itself is wrong; nothing was sent.

    Attributes:
        field: the request's field to blame; empty where it is none in particular.
    """

    exit_code = 2

    def __init__(self, message: str, field: str = "") -> None:
        """`message` says what is wrong and what would be right."""
        super().__init__(message)
        self.field = field


class MissingPackageError(ClientError):
    """A package is needed that is not installed."""
