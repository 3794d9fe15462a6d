"""The start of the command line."""

import sys
from importlib.abc import MetaPathFinder

import pytest

from ean_search.cli.entry import main


class StopsImports(MetaPathFinder):
    """As if somebody pressed Ctrl-C while the commands are imported."""

    def find_spec(self, name, path, target=None):
        if name == "ean_search.cli.main":
            raise KeyboardInterrupt


def test_ctrl_c_during_imports_is_one_line(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "ean_search.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [StopsImports(), *sys.meta_path])
    assert main() == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_it_is_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ean-search", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "retrain" in capsys.readouterr().out
