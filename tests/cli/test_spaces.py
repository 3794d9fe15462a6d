"""`spaces` and `cost`."""

import json
import re
from datetime import datetime, timedelta, timezone

import pytest


def test_spaces_are_listed_with_their_sites(run_command):
    code, out, _ = run_command("spaces")
    assert code == 0
    assert re.search(r"resnet50_shared\s+resnet50\s+se\s+16\s+3-4-6-3\s+.*65,536", out)
    assert re.search(r"resnet164_shared.*54.*2\^54", out)


def test_a_users_own_space_is_listed_too(run_command, tmp_path):
    (tmp_path / "mine.yaml").write_text("backbone: resnet26t\nattention: eca\n")
    code, out, _ = run_command("spaces", str(tmp_path / "mine.yaml"))
    assert code == 0
    assert re.search(r"mine\s+resnet26t\s+eca\s+8\s+2-2-2-2", out)


def test_a_users_own_backbone_is_found_where_the_user_stands(run_command, tmp_path, monkeypatch):
    (tmp_path / "homegrown.py").write_text(
        "import timm\ndef net(num_classes):\n"
        "    return timm.create_model('resnet18', num_classes=num_classes)\n"
    )
    (tmp_path / "mine.yaml").write_text("backbone: homegrown:net\nattention: se\n")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_command("spaces", "mine.yaml")
    assert code == 0
    assert "2-2-2-2" in out


def test_costs_stand_beside_none_and_all(run_command):
    words = "cost --space tiny --placement 1010 --placement every-other".split()
    code, out, _ = run_command(*words)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:5]] == [
        *("none", "all", "1010", "every-other"),
    ]
    code, out, _ = run_command(*words, "--json")
    rows = {row["name"]: row for row in json.loads(out)["placements"]}
    assert rows["1010"]["placement"] == "1-0-1-0"
    assert rows["none"]["params"] < rows["1010"]["params"] < rows["all"]["params"]


@pytest.mark.slow
def test_cached_latencies_name_their_age_and_can_be_timed_again(run_command, monkeypatch, tmp_path):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path))
    words = "cost --space tiny --classes 7".split()
    assert run_command(*words)[0] == 0
    [file] = (tmp_path / "costs").iterdir()
    table = json.loads(file.read_text())
    old = datetime.now(timezone.utc) - timedelta(days=3, hours=1)
    table["timing"] |= {"date": old.isoformat(), "load": 0.1, "spread": 0.02, "halves": 0.01}
    file.write_text(json.dumps(table))
    _, out, _ = run_command(*words)
    assert "timed 3 days ago, load 0.10; spread 2 %, halves 1 % apart" in out
    timing = json.loads(run_command(*words, "--json")[1])["timing"]
    assert (timing["age"], timing["load"], timing["spread"]) == ("3 days ago", 0.1, 0.02)
    assert timing["doubts"] == []
    _, out, _ = run_command(*words, "--retime")
    assert "timed just now" in out
    assert json.loads(file.read_text())["timing"]["date"] > table["timing"]["date"]
    assert "timed just now" in run_command(*words)[1]
