"""The version of a run folder's format, which stands in its provenance."""

from pathlib import Path

from ean_search.utils.errors import UserError
from ean_search.utils.files import read_json_object
from ean_search.utils.formats import FORMAT_KEY, check_format


def check_run_format(provenance_file: Path) -> None:
    """Refuse the folder of a run that a newer version of the package made.

    Raises:
        UserError: If it is one.
    """
    try:
        about = read_json_object(provenance_file) or {}
    except UserError:  # a damaged provenance is said where it is shown
        return
    check_format(about.get(FORMAT_KEY), "run", str(provenance_file.parent))
