import pandas as pd

from ean_search.bench.plots import plot_regret
from ean_search.bench.searchers import summarise


def test_regret_is_drawn_for_each_task_and_worker_count(traces):
    other = traces.assign(task="a table", workers=8, rounds=traces.rounds // 8)
    figure = plot_regret(summarise(pd.concat([traces, other])))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["8 sites", "a table, 8 workers"]
    assert [len(axes.lines) for axes in figure.axes] == [3, 3]
    assert figure.axes[0].get_yscale() == "log"


def test_no_regret_is_drawn_at_the_bottom(traces):
    figure = plot_regret(summarise(traces.assign(regret=0.0)))
    (axes,) = figure.axes
    bottom, _ = axes.get_ylim()
    assert all(line.get_ydata().min() > bottom > 0 for line in axes.lines)
