"""`spaces` and `cost`."""

import json
import re


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
