"""Nothing is written outside the folder that the user means."""

import os

import pytest

from ean_search.cli.main import main

FILES = ("report.html", "trials.jsonl", ".lock", "optuna.journal", "tensorboard", "retrain")


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "precious").write_text("kept")
    return folder


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "command",
    [
        "resume",
        "retrain",
        pytest.param("report --png", marks=pytest.mark.slow),
        pytest.param("explain", marks=pytest.mark.slow),
        "export",
    ],
)
def test_links_in_a_run_lead_nowhere(command, name, as_folder, strangers_run, outside, capsys):
    run = strangers_run()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside if as_folder else outside / "precious")
    command, *flags = command.split()
    code = main([command, str(run), *flags, *["--device", "cpu"] * (command == "retrain")])
    assert code in (0, 2)
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "kept"
    assert "Traceback" not in capsys.readouterr().err


def test_a_dashboard_writes_through_no_link(strangers_run, outside):
    import ean_search
    from ean_search.analysis.optuna_dashboard import dashboard
    from ean_search.utils.errors import UserError

    run = strangers_run()
    (run / "optuna.journal").symlink_to(outside / "precious")
    server = dashboard(ean_search.load_run(run), "localhost", 0)
    with pytest.raises(UserError, match="symbolic link"), server:
        pass
    assert (outside / "precious").read_text() == "kept"


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "", "a/b", "x\ny"])
def test_names_stay_in_the_folder_of_results(name, tmp_path, capsys):
    results = tmp_path / "results"
    assert main(["run", "--space", "tiny", "--results", str(results), "--name", name]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_names_of_spaces_stay_there_too(tmp_path, capsys):
    (tmp_path / "evil.yaml").write_text("{name: ../../evil, backbone: resnet18, attention: se}")
    words = ["--space", str(tmp_path / "evil.yaml"), "--results", str(tmp_path / "a" / "b")]
    assert main(["run", *words]) == 2
    assert "name of the space" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["evil.yaml"]


@pytest.mark.slow
def test_devices_are_no_outputs(strangers_run, tmp_path, capsys):
    device = tmp_path / "device"
    os.mkfifo(device)
    assert main(["report", str(strangers_run()), "--output", str(device)]) == 2
    assert "not an ordinary file" in capsys.readouterr().err
    assert device.is_fifo()
    assert main(["report", str(strangers_run("b")), "--output", "/dev/null"]) == 2
