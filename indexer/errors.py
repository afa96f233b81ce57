"""Errors of the indexer: one line that says what is wrong, where, and what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST, COMPARED, TOLD = 100, 1000, 50
"""Characters of a name that is compared with known ones, known names that are compared, and that are told."""
AGAIN = "run `attridex repair`"
"""What mends an index whose files are not what was written, or says what cannot be mended."""


class AttridexError(Exception):
    """Base of all errors that a user can mend. `exit_code` is the command line's."""

    exit_code = 1


class InputError(AttridexError):
    """Bad input or usage: a configuration, a corpus, a query, an argument."""

    exit_code = 2


class DamageError(AttridexError):
    """An index whose files are not what was written."""


class BusyError(AttridexError):
    """Another process is writing to the index."""


class NumericError(AttridexError):
    """A loss or gradient that is not finite."""


class MissingExtraError(AttridexError):
    """A part of attridex is used that needs an extra which is not installed."""


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def one_line(error: Exception) -> str:
    """An error in one line of readable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def brief(value: object) -> str:
    """A value in a message, in one line (an array is written in several), cut to a readable length."""
    text = " ".join(line.strip() for line in repr(value).splitlines())
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the words ": did you mean 'x'?" for the known name nearest to `name`, else what is known."""
    options = [str(option) for option in known]
    # The search takes the product of their lengths, and names may be anybody's.
    short = [option for option in options[:COMPARED] if len(option) <= LONGEST] if len(name) <= LONGEST else []
    close = get_close_matches(name, short, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    more = f" and {len(options) - TOLD} more" if len(options) > TOLD else ""
    return f"known: {', '.join(sorted(options)[:TOLD])}{more}"
