import pytest

from ean_search.analysis.html_report import render_page
from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.analysis.run_pictures import front_picture, standard_error, write_pictures


def stems(paths):
    return [path.stem for path in paths]


@pytest.mark.slow
def test_the_pages_figures_are_written_as_png_and_svg(tmp_path, example_analysis):
    paths = write_pictures([example_analysis], tmp_path)
    assert set(stems(paths)) == {"front", "sites", "history", "policy"}
    for path in paths:
        start = path.read_bytes()[:100]
        assert b"PNG" in start if path.suffix == ".png" else b"<?xml" in start


@pytest.mark.slow
def test_a_searcher_without_a_policy_is_shown_by_its_proposals(tmp_path, random_run):
    analyses = [RunAnalysis(random_run)]
    names = set(stems(write_pictures(analyses, tmp_path)))
    assert names == {"front", "sites", "history", "proposals"}
    text = render_page(analyses)
    assert 'data-figure="proposals0"' in text
    assert 'data-figure="policy0"' not in text


@pytest.mark.slow
def test_several_runs_share_a_history_and_have_numbers(
    tmp_path, example_analysis, run, add_training
):
    add_training(run, "000-0000-000000-000", 0.7)
    names = stems(write_pictures([example_analysis, RunAnalysis(run)], tmp_path))
    assert names.count("history") == 2
    assert {"front_1", "front_2", "sites_2", "policy_1", "agreement_2"} < set(names)
    assert "agreement_1" not in names


def test_a_run_without_trials_has_no_pictures(tmp_path):
    assert write_pictures([RunAnalysis(open_run(tmp_path))], tmp_path / "pictures") == []


def test_members_of_the_front_with_equal_labels_are_all_drawn(run):
    frame = run.frame()
    members = frame[:4].assign(accuracy=0.7, note="")
    picture = front_picture(run, frame, members)
    assert len(picture.axes[1].get_yticklabels()) == 4


def test_the_title_tells_the_standard_error_if_the_images_are_known(run):
    front = run.front()
    error = 100 * standard_error(front.accuracy.max(), 1000)
    titles = [
        front_picture(run, run.frame(), front, images).get_suptitle() for images in (None, 1000)
    ]
    assert "standard error" not in titles[0]
    assert f"standard error of an accuracy: {error:.1f} points" in titles[1]


def test_the_standard_error_is_that_of_a_share():
    assert standard_error(0.5, 100) == pytest.approx(0.05)
