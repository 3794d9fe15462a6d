"""Runs of earlier formats go on as they began."""

import json

from ean_search.analysis.run_folder import Run
from ean_search.runs.earlier_formats import settings_before


def test_the_first_format_judged_by_the_images_of_the_search(tmp_path):
    run = Run(tmp_path)
    assert settings_before(run) == {"search.judge_share": 0.0}
    for number, changes in ((1, {"search.judge_share": 0.0}), (2, {})):
        run.provenance_file.write_text(json.dumps({"format": number}))
        assert settings_before(run) == changes
