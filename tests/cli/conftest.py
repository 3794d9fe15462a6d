"""Commands, typed as a user would, and a finished run to type them about."""

import pytest

from ean_search.cli.main import main


@pytest.fixture
def run_command(capsys):
    """Return a function that runs a command and returns its exit code, output and errors."""

    def run(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def small_run_flags():
    """Flags that make a run a matter of seconds."""
    words = "--set data.options.train=600 --set data.options.test=100 "
    words += "--set data.search_per_class=10 --epochs 1 --budget 6 --device cpu"
    return words.split()


@pytest.fixture(scope="module")
def finished_run(copy_run, tmp_path_factory):
    """Return the folder of a small run, as the command `run` names it."""
    return copy_run(tmp_path_factory.mktemp("results") / "tiny" / "a").path
