"""The proof for GPUs, as far as a CPU can make it."""

import pytest

from tests.helpers import load_script

proof = load_script("gpu_proof")


def test_what_needs_a_gpu_or_a_package_is_skipped_with_the_reason():
    assert proof.judge(proof.check_clocks, "cpu") == ("SKIP", "needs a GPU")

    def check(device):
        proof.need(device, "torch", "no_such_package")

    assert proof.judge(check, "cpu") == ("SKIP", "no_such_package is not installed")


def test_whatever_goes_wrong_is_a_failure_with_its_first_line():
    def check(device):
        raise RuntimeError("CUDA error: an illegal memory access\nCompile with ...")

    verdict, figure = proof.judge(check, "cpu")
    assert (verdict, figure) == ("FAIL", "RuntimeError: CUDA error: an illegal memory access")


@pytest.mark.parametrize("name", ["versions", "averaged weights"])
def test_what_has_a_meaning_on_a_cpu_is_checked_there(name):
    assert proof.judge(proof.CHECKS[name], "cpu")[0] == "PASS"


def test_no_csv_is_written_without_a_gpu(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(proof, "CHECKS", {"clocks": proof.check_clocks})
    path = tmp_path / "gpu.csv"
    monkeypatch.setattr("sys.argv", ["gpu_proof.py", "--device", "cpu", "--output", str(path)])
    assert proof.main() == 0
    assert "SKIP  clocks: needs a GPU" in capsys.readouterr().out
    assert not path.exists()
