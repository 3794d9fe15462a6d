"""Names that are no paths, outputs that are ordinary files, and folders without links."""

import os

import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.files import save_csv, save_json
from ean_search.utils.jsonl import append_row
from ean_search.utils.safe_paths import check_name, check_output, make_folder, refuse_links


@pytest.mark.parametrize("name", ["a", "2026-01-01", "été", "a b", "..a", "x" * 200])
def test_names(name):
    assert check_name(name, "--name") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "a\0", "a\nb", "\x1b[2J", "x" * 201]
)
def test_paths_and_unprintable_names_are_refused(name):
    with pytest.raises(UserError, match="--name: expected one name") as caught:
        check_name(name, "--name")
    assert str(caught.value).isprintable()


def test_outputs_are_ordinary_files_or_absent(tmp_path):
    check_output(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    check_output(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo")
    for name, kind in {
        "link": "a link", "dangling": "a link", "fifo": "a device", ".": "a folder"
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=f"it is {kind}, not an ordinary file"):
            check_output(tmp_path / name)


@pytest.mark.parametrize("target", ["precious", "nowhere"])
def test_nothing_is_written_through_a_link(tmp_path, target):
    import pandas as pd

    precious = tmp_path / "precious"
    precious.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    for write in (
        lambda: save_json({}, link),
        lambda: save_csv(pd.DataFrame(), link),
        lambda: append_row(link, {}),
    ):
        with pytest.raises(UserError, match="it is a link"):
            write()
    (tmp_path / "file.json.part").symlink_to(precious)
    save_json({}, tmp_path / "file.json")
    assert precious.read_text() == "kept"
    assert not (tmp_path / "nowhere").exists()


def test_links_in_a_folder_are_named(tmp_path):
    run = tmp_path / "run"
    (run / "retrain").mkdir(parents=True)
    (tmp_path / "latest").symlink_to(run)
    refuse_links(tmp_path / "latest")  # that is the user's own
    (run / "retrain" / "x").symlink_to(tmp_path)
    with pytest.raises(UserError, match="retrain/x is a symbolic link: nothing is written"):
        refuse_links(tmp_path / "latest")
    with pytest.raises(UserError, match="latest is a symbolic link"):
        make_folder(tmp_path / "latest")
