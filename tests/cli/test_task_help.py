import re
import shlex

import pytest

from ean_search.cli.main import make_parser
from ean_search.cli.task_help import EXAMPLES, TASKS


def test_every_command_belongs_to_one_task():
    parser = make_parser()
    commands = next(a for a in parser._actions if a.dest == "==SUPPRESS==" and a.choices)
    listed = [name for names in TASKS.values() for name in names]
    assert sorted(listed) == sorted(commands.choices)


def test_help_fits_80_columns_and_names_tasks_in_order():
    text = make_parser().format_help()
    assert max(map(len, text.splitlines())) <= 80
    places = [text.index(f"  {title}:\n") for title in TASKS]
    assert places == sorted(places)
    assert re.search(r"^    resume +continue a stopped run", text, re.MULTILINE)


@pytest.mark.parametrize("line", re.findall(r"^  ean-search (.*?)(?:   .*)?$", EXAMPLES, re.M))
def test_examples_are_commands(line):
    assert make_parser().parse_args(shlex.split(line)).command
