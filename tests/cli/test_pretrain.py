"""The `pretrain` command."""

from ean_search.cli.main import main


def test_a_missing_file_name_is_one_line(tmp_path, capsys):
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text("space: tiny\n")
    assert main(["pretrain", "--experiment", str(experiment)]) == 2
    assert "expected a file to write" in capsys.readouterr().err
