from ean_search.cli.tables import print_table


def test_tables_align_figures_to_the_right(capsys):
    print_table(["name", "count"], [["a", "7"], ["bcd", "1,234"]])
    assert capsys.readouterr().out.splitlines() == ["name  count", "a         7", "bcd   1,234"]
