"""Export formats as they are typed, for `export --format` and `retrain --export` alike."""

import sys
from collections.abc import Callable, Sequence

from ean_search.utils.errors import UserError


def read_formats(text: str) -> list[str]:
    """Read names that are separated by commas; each is returned once.

    Raises:
        UserError: If there is no name.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"expected export formats such as timm,onnx, got {text!r}")
    return names


def for_each_format(formats: Sequence[str], work: Callable[[str], None]) -> None:
    """Do something with every format, also after one has failed.

    Args:
        formats: The names.
        work: What to do; it raises a `UserError` if it fails.

    Raises:
        UserError: At the end, if a format failed. If there are several formats, each error is
            printed as it comes.
    """
    failed = []
    for name in formats:
        try:
            work(name)
        except UserError as error:
            if len(formats) == 1:
                raise
            print(f"ean-search: {error}", file=sys.stderr, flush=True)
            failed.append(name)
    if failed:
        raise UserError(f"{len(failed)} of {len(formats)} formats failed: {', '.join(failed)}")
