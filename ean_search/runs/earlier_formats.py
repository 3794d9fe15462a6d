"""What runs of earlier formats did, where an experiment that does not say so would do otherwise."""

from typing import Any

from ean_search.analysis.run_folder import Run
from ean_search.utils.files import read_json_object
from ean_search.utils.formats import FORMAT_KEY

JUDGING_FORMAT = 2  # since then, some of the search images only judge


def settings_before(run: Run) -> dict[str, Any]:
    """Return settings of a run by dotted field that its experiment does not have yet.

    Args:
        run: A run; one of today's format needs none.
    """
    about = read_json_object(run.provenance_file) or {}
    return {} if about.get(FORMAT_KEY, 1) >= JUDGING_FORMAT else {"search.judge_share": 0.0}
