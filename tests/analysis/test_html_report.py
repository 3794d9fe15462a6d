"""The page of runs, as text and as a browser shows it."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ean_search.analysis.html_report import conclusions, page_path, render_page
from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.analysis.significance import judge
from ean_search.cli.main import main
from ean_search.costs.table import CostTable
from tests.browser import Browser, find_chromium, wait_until

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def page(example, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "page.html"
    assert main(["report", str(example), "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile"), 1400) as window:
        yield window


@pytest.fixture
def browser(window, page):
    window.open(page)
    yield window
    assert window.console_errors == []


@pytest.fixture(scope="module")
def front(example_analysis):
    """The placements on the example's front; the first costs least."""
    return example_analysis.front().placement.tolist()


def front_point(browser, number):
    """Find where the window shows a member of the front."""
    return browser.evaluate(
        "(() => { const gd = document.getElementById('front');"
        "gd.scrollIntoView({block: 'center'});"
        "const l = gd._fullLayout, t = gd.data.find((t) => t.name === 'front');"
        "const box = gd.getBoundingClientRect();"
        f"return {{x: box.x + l.xaxis._offset + l.xaxis.c2p(t.x[{number}]),"
        f"y: box.y + l.yaxis._offset + l.yaxis.c2p(t.y[{number}]),"
        f"placement: t.customdata[{number}]}}; }})()"
    )


def test_the_page_loads_nothing_and_is_light(page, front, example):
    text = page.read_text()
    assert len(text) < 8e6
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="(?!data:)', text)
    hardware = json.loads((example / "provenance.json").read_text())["hardware"]
    for word in (front[-1], "ean-sge", "search_per_class", hardware):
        assert word in text


@pytest.mark.slow
@needs_chromium
def test_hovering_the_front_shows_a_placement(browser, front):
    place = front_point(browser, len(front) - 1)
    browser.hover(place["x"], place["y"] + 30)
    browser.hover(place["x"], place["y"])
    shown = "document.querySelector('#front .hoverlayer').textContent"
    wait_until(lambda: place["placement"] in browser.evaluate(shown))


@pytest.mark.slow
@needs_chromium
def test_switching_the_axis_draws_the_front_again(browser, example):
    costs = CostTable.load(example / "costs.json")
    x = "document.getElementById('front').data.find((t) => t.name === 'front').x"
    title = "document.querySelector('#front .xtitle').textContent"
    assert browser.evaluate(title) == f"latency (ms), {costs.image_size} px"
    assert browser.evaluate(x)[0] == pytest.approx(costs.plain.latency_ms, rel=1e-3)
    browser.evaluate(
        "(() => { const axis = document.getElementById('axis'); axis.value = 'sites';"
        "axis.dispatchEvent(new Event('change')); })()"
    )
    wait_until(lambda: browser.evaluate(title) == "attached sites")
    assert browser.evaluate(x)[0] == 0


@pytest.mark.slow
@needs_chromium
def test_arrow_keys_walk_along_the_front_and_buttons_find_placements(browser, front):
    announced = "document.getElementById('announcement').textContent"
    browser.evaluate("document.getElementById('front').focus()")
    browser.press("ArrowRight")
    wait_until(lambda: front[0] in browser.evaluate(announced))
    browser.press("ArrowRight")
    wait_until(lambda: front[1] in browser.evaluate(announced))
    browser.evaluate("document.querySelector('[data-placement=\"111-1111-111111-111\"]').click()")
    wait_until(lambda: "111-1111-111111-111" in browser.evaluate(announced))


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_in_its_own_colours(tmp_path, page, dark):
    with Browser(tmp_path / "profile", 390, dark=dark) as phone:
        phone.open(page)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        ground = phone.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") != dark
        phone.evaluate("document.getElementById('theme').click()")
        assert phone.evaluate("getComputedStyle(document.body).backgroundColor") != ground
        wide = "[...document.querySelectorAll('.chart')].every((c) => c.clientWidth <= 390)"
        assert phone.evaluate(wide)
        assert phone.evaluate("document.querySelectorAll('.chart svg.main-svg').length") >= 8
        assert phone.console_errors == []


@pytest.mark.slow
@needs_chromium
def test_half_written_runs_say_what_is_missing_without_errors(tmp_path, window, example):
    half, empty = tmp_path / "half", tmp_path / "empty"
    empty.mkdir()
    half.mkdir()
    for name in ("experiment.yaml", "costs.json"):
        shutil.copy(example / name, half)
    lines = (example / "trials.jsonl").read_text()
    torn = lines[:1500]
    (half / "trials.jsonl").write_text(torn)
    page = tmp_path / "page.html"
    assert main(["report", str(half), str(empty), "--output", str(page)]) == 0
    window.open(page)
    shown = window.evaluate("document.querySelector('main').innerText")
    assert window.console_errors == []
    assert "summary.json: not there: the run has not come to its conclusions yet" in shown
    assert "trials.jsonl: not there: the search has not begun" in shown
    assert f"{torn.count(chr(10))} of 64 evaluations are done" in shown


@pytest.mark.slow
def test_trainings_and_several_runs_are_shown_side_by_side(example_analysis, run, add_training):
    for number, placement in enumerate(("000-0000-000000-000", "111-1111-111111-111")):
        add_training(run, placement, 0.7 + number / 10)
    text = render_page([example_analysis, RunAnalysis(run)])
    assert "2 networks were trained alone" in text
    for place in ("sites0", "sites1", "policy0", "policy1", "agreement1"):
        assert f'data-figure="{place}"' in text
    assert 'data-figure="agreement0"' not in text


def test_conclusions_say_what_the_accuracies_do_not_mean(run):
    summary = json.loads(run.summary_file.read_text())
    none = summary["comparison"]["none"]
    summary["comparison"]["best"] = none
    summary["comparison"]["random"] |= {"placements": [none["placement"]] * 5, "deviation": 0.0}
    judged = judge([0.1, 0.101], {}, classes=10, images=1000)
    longer = "ean-search run --experiment experiment.yaml --epochs 4"
    summary |= {"significance": judged.to_fields(), "next": ["ean-search report", longer]}
    run.summary_file.write_text(json.dumps(summary))
    analysis = RunAnalysis(run)
    text = "\n".join(conclusions(analysis))
    assert "cannot be told from chance: the highest of 2 is 10.10 %" in text
    assert "nothing random to compare it with" in text
    assert "against random placements" not in text
    assert f"next: {longer}" in text
    assert "ean-search retrain" not in render_page([analysis])
    assert "random" not in set(analysis.reference_placements["name"])


def test_a_budget_below_the_named_placements_counts_as_these(run):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:7]))
    text = run.experiment_file.read_text()
    run.experiment_file.write_text(re.sub(r"(?m)^  budget: 64$", "  budget: 2", text))
    assert next(conclusions(RunAnalysis(run))).startswith("7 of 7 evaluations are done")


def test_several_attentions_have_colours_and_digits(tmp_path, example, front):
    best = front[-1]
    mixed = best.replace("1", "2", 2)
    for name in ("experiment.yaml", "trials.jsonl"):
        text = (example / name).read_text()
        text = text.replace("  - name: se\n", "  - name: eca\n    options: {}\n  - name: se\n")
        (tmp_path / name).write_text(text.replace(f'"{best}"', f'"{mixed}"'))
    text = render_page([RunAnalysis(open_run(tmp_path))])
    row = text.split(f'data-placement="{mixed}"')[0].rsplit("<svg", 1)[1]
    colour = {"0": "off", "1": "c0", "2": "c1"}
    digits = mixed.replace("-", "")
    assert re.findall(r'class="(\w+)"', row)[1:17] == [colour[digit] for digit in digits]
    assert re.findall(r">(\d)</text>", row) == list(digits.replace("0", ""))
    assert "costs.json: not there" in text


@pytest.mark.slow
def test_the_command_writes_into_the_run_and_prints_the_paths(run, capsys):
    assert main(["report", str(run.path), "--png"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(run.report_file)
    assert str(run.path / "report" / "front.svg") in out
    assert all(Path(line).is_file() for line in out)


def test_what_is_not_a_run_is_an_error_of_one_line(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


COMPARISON = """\
name,placement,seeds,accuracy,deviation,found_minus_this,low,high,sites,latency_ms,latency_x
best,1-0-1-0,2,0.5125,0.01,0,0,0,2,1.2345,1.1
<b>,0-0-0-0,2,0.5,0.02,0.0125,-0.01,0.035,0,1.1,1
"""


@pytest.mark.slow
def test_comparisons_of_retrained_placements_are_on_the_page(example, tmp_path):
    run = Path(shutil.copytree(example, tmp_path / "compared"))
    assert "have been retrained and compared" in render_page([RunAnalysis(open_run(run))])
    for folder, text in [
        (run / "retrain", COMPARISON),
        (
            run / "retrain/quick/pretrained",
            COMPARISON.replace(",2,0", ",1,0").replace("-0.01,", ","),
        ),
        (run / "retrain/broken", "name,placement\n"),
    ]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.csv").write_text(text)
    page = render_page([RunAnalysis(open_run(run))])
    section = page.partition("<h2>Retrained and compared")[2].partition("</section>")[0]
    assert "Recipe: own recipe; 2 seeds of each" in section
    assert "Recipe: quick, pretrained; 1 seed of each" in section
    assert "51.25 % ± 1.00" in section
    assert "+1.25 (-1.00 to +3.50)" in section
    assert "+1.25 (one seed: no interval)" in section
    assert "1.234" in section
    assert "&lt;b&gt;" in section
    assert "retrain/broken/comparison.csv: " in page
    assert "nan" not in section


def test_a_page_about_several_runs_does_not_overwrite_that_of_one(example, tmp_path, monkeypatch):
    runs = [Path(shutil.copytree(example, tmp_path / name)) for name in ("a/one", "a/two", "b/one")]
    one, two, other = analyses = [RunAnalysis(open_run(run)) for run in runs]
    assert page_path([one]) == page_path([one, one]) == runs[0] / "report.html"
    assert page_path([one, two]) == tmp_path / "a/report-one-two.html"
    assert page_path([one, other]) == tmp_path / "report-a_one-b_one.html"
    assert len(page_path(analyses).name) < 200
    monkeypatch.chdir(tmp_path)
    assert page_path([one, two]) == Path("a/report-one-two.html")
