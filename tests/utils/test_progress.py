import pickle

from ean_search.utils.progress import ProgressMessage, silent


def test_a_message_is_a_text_that_keeps_its_figures_when_pickled():
    message = ProgressMessage("best 1-0", {"front": 2}, "1-0")
    assert message == "best 1-0"
    copy = pickle.loads(pickle.dumps(message))
    assert (copy, copy.figures, copy.placement) == (message, {"front": 2}, "1-0")


def test_a_message_needs_no_figures():
    message = ProgressMessage("running")
    assert message.figures == {}
    assert message.placement == ""


def test_silent_accepts_reports_and_shows_nothing(capsys):
    silent("search", 1, 2)
    silent("search", 2, 2, ProgressMessage("done", {"front": 2}))
    assert capsys.readouterr().out == ""
