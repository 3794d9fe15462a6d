from ean_search.analysis.palette import COLOURS, EMPTY, attention_colour, series_colour


def test_each_of_the_first_series_has_its_own_colour():
    assert len({series_colour(number) for number in range(len(COLOURS))}) == len(COLOURS)


def test_colours_repeat_after_the_last_one():
    assert series_colour(len(COLOURS)) == series_colour(0)


def test_a_site_without_attention_has_no_attentions_colour():
    assert attention_colour(0) == EMPTY
    assert attention_colour(1) == series_colour(0)
    assert EMPTY not in COLOURS
