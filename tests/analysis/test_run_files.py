"""Where the files of a run lie."""

from ean_search.analysis.run_files import RunFiles


def test_all_files_of_a_run_lie_in_its_folder(tmp_path):
    files = RunFiles(tmp_path)
    names = [name for name in vars(RunFiles) if name.endswith(("_file", "_folder", "_table"))]
    paths = [getattr(files, name) for name in names]
    assert len(set(paths)) == len(paths) > 15
    assert {path.parent for path in paths} == {tmp_path}


def test_what_is_made_before_the_first_trial_is_known(tmp_path):
    files = RunFiles(tmp_path)
    for path in (files.costs_file, files.trials_file, files.answers_file, tmp_path / "tune-3"):
        assert files.is_preparation(path)
    for path in (files.summary_file, files.judged_file, tmp_path / "notes.txt"):
        assert not files.is_preparation(path)
