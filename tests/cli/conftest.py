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
def finished_run(tmp_path_factory, small_run_flags):
    """Do a small run, and return its folder."""
    results = tmp_path_factory.mktemp("results")
    words = ["run", "--space", "tiny", "--results", str(results), "--name", "a"]
    assert main([*words, *small_run_flags]) == 0
    return results / "tiny" / "a"
