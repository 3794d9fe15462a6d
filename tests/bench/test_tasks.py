from ean_search.bench.tasks import make_landscapes, make_tables


def test_every_number_of_sites_has_one_landscape_per_seed():
    tasks = make_landscapes([8, 16], 3)
    assert [(task.name, task.seed) for task in tasks] == [
        *(("8 sites", seed) for seed in range(3)),
        *(("16 sites", seed) for seed in range(3)),
    ]


def test_every_table_is_seen_in_both_ways(source):
    tasks = make_tables([source], 2)
    assert [(task.name, task.seed) for task in tasks] == [
        ("six", 0),
        ("six", 1),
        ("six, one training", 0),
        ("six, one training", 1),
    ]


def test_every_task_tells_what_regret_needs(source):
    for task in [*make_landscapes([8], 1), *make_tables([source], 1)]:
        low, high = task.reward_range
        assert low < task.reward(task.problem.space.named["none"]) <= high
        assert 0 < task.reward_std < high - low
