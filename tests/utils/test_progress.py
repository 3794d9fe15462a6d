import pickle

from ean_search.utils.progress import ProgressMessage


def test_a_detail_is_a_word_that_keeps_its_figures_on_the_way():
    detail = ProgressMessage("best 1-0", {"front": 2}, "1-0")
    assert detail == "best 1-0"
    other = pickle.loads(pickle.dumps(detail))
    assert (other, other.figures, other.placement) == (detail, {"front": 2}, "1-0")
    assert ProgressMessage("on its way").figures == {}
