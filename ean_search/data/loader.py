"""The data of runs whose batches come from a loader in Python: no command can make them again."""

from typing import Any, NoReturn

from ean_search.utils.errors import UserError


def refuse_loader(source: Any) -> NoReturn:
    """Refuse to load what only a Python program has.

    Raises:
        UserError: Always; it says how the run goes on.
    """
    raise UserError(
        "this run's batches, loss and score came from Python: call search_attention again with the "
        "same module and folder"
    )
