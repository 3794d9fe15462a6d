from ean_search.bench import token_mixers


def test_key_only_attention_grows_as_its_map_does(monkeypatch):
    monkeypatch.setattr(token_mixers, "MAP_SIDES", (8, 16))
    frame = token_mixers.bench_mixers(channels=32, rounds=1)
    small, large = frame.to_dict("records")
    assert large["tokens"] == 4 * small["tokens"]
    assert large["key_only_macs"] == 4 * small["key_only_macs"]
    assert large["full_macs"] > 4 * small["full_macs"]
    assert large["key_only_ms"] > 0
