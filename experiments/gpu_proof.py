"""What a GPU does with this package, in one command and under nine minutes on a fast one.

    python experiments/gpu_proof.py [--device cuda] [--output results/gpu.csv]

Every line says PASS, FAIL or SKIP, with a figure or a reason. Without a GPU the checks that have a
meaning on a CPU run there, and the others are skipped; a CSV is written only where a GPU computed.
Packages that are missing (ray, fvcore) skip the checks that need them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from ean_search.core.space import Space, load_space
from ean_search.costs.stopwatch import time_interleaved
from ean_search.data.splits import TensorSplit
from ean_search.evaluation.precision import Precision, tf32_allowed
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place, prune
from ean_search.networks.sites import probe
from ean_search.training.recipe import Recipe
from ean_search.training.supernet import SupernetSettings, train_supernet
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.provenance import hardware, provenance

GIB = 2**30
RUN = {
    "space": {"base": "tiny"},
    "data.options": {"train": 2400, "test": 100},
    "supernet.recipe.epochs": 2,
    "search.budget": 12,
    "search.objective": "accuracy - 0.02 sites",  # of figures that no stopwatch gives
}
Check = Callable[[str], str]  # takes the device; returns a figure in words


class NotHereError(Exception):
    """A check that cannot be made here; the text says why."""


def need(device: str, *packages: str, gpu: bool = False) -> None:
    """Skip a check without a GPU, or without packages.

    Raises:
        NotHereError: If something is missing.
    """
    if gpu and not device.startswith("cuda"):
        raise NotHereError("needs a GPU")
    if missing := [name for name in packages if find_spec(name) is None]:
        raise NotHereError(f"{', '.join(missing)} is not installed")


def small_space(device: str) -> Space:
    """Return ResNet-50's space; on a CPU with narrow layers."""
    arguments = {} if device.startswith("cuda") else {"base_width": 8}
    return probe(load_space("resnet50_shared", image_size=64, backbone_args=arguments))


def noise(images: int, size: int = 64) -> TensorSplit:
    """Return noise images of ten classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (images,), generator=generator)
    return TensorSplit(torch.randn(images, 3, size, size, generator=generator), labels)


def check_versions(device: str) -> str:
    """Name the packages and the hardware."""
    packages = provenance(device)["packages"]
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def check_trees(device: str) -> str:
    """Trees exist and give the network's answers, with TF32 allowed outside of them and not."""
    space = small_space(device)
    for allowed in (False, True):
        with tf32_allowed(allowed):
            evaluator = SharedWeightsEvaluator(build(space), noise(64), device=device)
        assert evaluator.tree is not None, f"no tree with TF32 {allowed}"
    return "with TF32 and without"


def run_history(device: str, folder: Path, **changes: object) -> list[str]:
    """Run a search, perhaps in two parts, and return its trials without seconds."""
    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.pipeline import do_run, start_run

    budgets = changes.pop("budgets", (None,))
    run = start_run(load_experiment(None, RUN | {"device": device} | changes), folder)
    for budget in budgets:
        do_run(run, budget=budget)
    return [f"{t.placement} {t.accuracy} {t.status}" for t in run.read_trials()]


def check_equal_runs(device: str) -> str:
    """The same run twice has the same history."""
    need(device, "fvcore")
    with TemporaryDirectory() as folder:
        first, second = (run_history(device, Path(folder, name)) for name in "ab")
    assert first == second, "histories differ"
    return f"{len(first)} equal trials"


def check_resume(device: str) -> str:
    """A run that was stopped equals one that was not, in reduced precisions."""
    need(device, "fvcore")
    names = ["bfloat16", "float16"] if device.startswith("cuda") else ["bfloat16"]
    for name in names:
        precision = {"evaluation.precision": name}
        with TemporaryDirectory() as folder:
            whole = run_history(device, Path(folder, "a"), **precision)
            parts = run_history(device, Path(folder, "b"), **precision, budgets=(8, 12))
        assert whole == parts, f"histories in {name} differ"
    return ", ".join(names)


def check_host_waits(device: str) -> str:
    """No step of training waits for the device, but for the checks of the loss."""
    need(device, gpu=True)
    network, split = build(small_space(device)), noise(16 * 19)
    split = split.to(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        fit(network, split, Recipe(epochs=1, batch_size=16), TrainingContext(device=device))
    except RuntimeError as error:
        raise AssertionError(f"a step waits: {error}") from error
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "19 steps"


def check_speed(device: str) -> str:
    """A cohort of 64 random placements against single passes, and answers in fewer bits."""
    space, images = small_space(device), 256 if device.startswith("cuda") else 16
    rng, network = np.random.default_rng(0), build(space)
    cohort = [space.sample(rng) for _ in range(64)]
    fast = Precision(precision="bfloat16", channels_last=True)
    for precision, name in ((Precision(), "float32"), (fast, "bfloat16")):
        evaluator = SharedWeightsEvaluator(
            network, noise(images), device=device, precision=precision
        )
        seconds = []
        for placements in (cohort, *[[p] for p in cohort[:8]]):
            start = time.perf_counter()
            list(evaluator.evaluate(placements))
            seconds.append(time.perf_counter() - start)
        ratio = len(cohort) * float(np.median(seconds[1:])) / seconds[0]
        if name == "float32":
            exact = [result.accuracy for result in evaluator.evaluate(cohort)]
            words = f"cohort {ratio:.1f}x as fast as single passes in float32"
        else:
            other = [result.accuracy for result in evaluator.evaluate(cohort)]
            words += f", {ratio:.1f}x in bfloat16; accuracies differ by at most "
            words += f"{100 * float(np.abs(np.subtract(exact, other)).max()):.2f} points"
    return words


def check_clocks(device: str) -> str:
    """Latency by events, by the wall clock, and by replays of a captured graph."""
    need(device, gpu=True)
    network = prune(build(small_space(device)), small_space(device).named["all"])
    network, images = network.to(device).eval(), torch.randn(1, 3, 64, 64, device=device)
    events = time_interleaved({"one": lambda: network(images)}, device=device)["one"]
    with torch.inference_mode():
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            network(images)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(50):
            network(images)
        torch.cuda.synchronize()
        wall = 1e3 * (time.perf_counter() - start) / 50
    replay = time_interleaved({"one": graph.replay}, device=device)["one"]
    return f"events {events:.3f} ms, wall clock {wall:.3f} ms, graph {replay:.3f} ms"


def check_little_memory(device: str) -> str:
    """A walk with 4 GiB free gives the answers of one with all memory."""
    need(device, gpu=True)
    space, split = small_space(device), noise(512)
    cohort = [space.sample(np.random.default_rng(seed)) for seed in range(64)]
    evaluator = SharedWeightsEvaluator(build(space), split, 512, device)
    expected = [result.accuracy for result in evaluator.evaluate(cohort)]
    free = torch.cuda.mem_get_info(device)[0]
    held = torch.empty(max(0, free - 4 * GIB), dtype=torch.uint8, device=device)
    found = [result.accuracy for result in evaluator.evaluate(cohort)]
    del held
    assert found == expected, "answers differ"
    return f"walks of {evaluator.walk_batch_size} images"


def check_workers(device: str) -> str:
    """Four workers on a quarter of a GPU each give the history of one process."""
    need(device, "ray", "fvcore", gpu=True)
    from ean_search.distributed.config import Workers
    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.pipeline import do_run, start_run

    with TemporaryDirectory() as folder:
        alone = run_history(device, Path(folder, "a"))
        run = start_run(load_experiment(None, RUN | {"device": device}), Path(folder, "b"))
        do_run(run, workers=Workers(count=4, gpus=0.25))
        shared = [f"{t.placement} {t.accuracy} {t.status}" for t in run.read_trials()]
    assert alone == shared, "histories differ"
    return f"{len(shared)} equal trials"


def check_ddp(device: str) -> str:
    """One training worker under NCCL trains as this process does."""
    need(device, "ray", gpu=True)
    from ean_search.distributed.config import Workers
    from ean_search.distributed.ddp import fit_distributed

    losses, recipe = [], Recipe(epochs=1, batch_size=32)
    with TemporaryDirectory() as folder:
        for together in (False, True):
            network, context = build(load_space("tiny")), TrainingContext(device=device)
            if together:
                workers = Workers(count=1, gpus=1.0)
                history = fit_distributed(
                    network, noise(256, 32), recipe, context, workers=workers, folder=Path(folder)
                )
            else:
                history = fit(network, noise(256, 32), recipe, context)
            losses.append(history[-1]["loss"])
    assert abs(losses[0] - losses[1]) < 0.05, f"losses are {losses}"
    return f"losses {losses[0]:.4f} and {losses[1]:.4f}"


def check_training(device: str) -> str:
    """A weight-sharing network trains with averaged weights, and is finite afterwards."""
    space = load_space("tiny")
    network = build(space)
    settings = SupernetSettings(recipe=Recipe(epochs=1, batch_size=32, ema=0.9))
    with TemporaryDirectory() as folder:
        path = Path(folder, "supernet.safetensors")
        context = TrainingContext(device=device)
        train_supernet(network, space, noise(320, 32), settings, path, context)
    logits = place(network, space.named["all"]).eval()(torch.zeros(2, 3, 32, 32, device=device))
    assert logits.isfinite().all(), "logits are not finite"
    return "EMA, 10 steps"


CHECKS: dict[str, Check] = {
    "versions": check_versions,
    "trees": check_trees,
    "equal runs": check_equal_runs,
    "resumed in fewer bits": check_resume,
    "no host waits": check_host_waits,
    "speed": check_speed,
    "clocks": check_clocks,
    "little memory": check_little_memory,
    "four workers": check_workers,
    "one training worker": check_ddp,
    "averaged weights": check_training,
}


def judge(check: Check, device: str) -> tuple[str, str]:
    """Make a check; return PASS, FAIL or SKIP, and a figure or a reason."""
    try:
        return "PASS", check(device)
    except NotHereError as reason:
        return "SKIP", str(reason)
    except Exception as error:  # whatever goes wrong on a device is a finding
        return "FAIL", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def main() -> int:
    """Make all checks; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, default=Path("results/gpu.csv"))
    args = parser.parse_args()
    rows = []
    for name, check in CHECKS.items():
        start = time.perf_counter()
        verdict, figure = judge(check, args.device)
        seconds = time.perf_counter() - start
        print(f"{verdict}  {name}: {figure} ({seconds:.1f} s)", flush=True)
        rows.append({"check": name, "verdict": verdict, "figure": figure, "seconds": seconds})
    frame = pd.DataFrame(rows).assign(hardware=hardware(args.device))
    counts = frame.verdict.value_counts()
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if args.device.startswith("cuda"):
        frame.to_csv(args.output, index=False)
    return int(counts.get("FAIL", 0))


if __name__ == "__main__":
    sys.exit(main())
