from ean_search.utils.provenance import git_revision, hardware, provenance


def test_what_made_a_result_is_named():
    made = provenance("cpu")
    assert made["packages"]["torch"]
    assert made["hardware"] == hardware("cpu")
    assert "threads of" in made["hardware"]
    revision = git_revision()
    assert revision is None or len(revision.rstrip("+")) == 12
