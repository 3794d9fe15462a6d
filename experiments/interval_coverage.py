"""Do the intervals of differences between placements hold? On the stored answers of a run.

    python experiments/interval_coverage.py results/example

The images of the search are divided at random, again and again. For every pair of trials, one half
gives the difference and its error; the other half gives another difference of the same pair. If the
errors are right, the two differ by less than 1.96 times their common error in 95 % of cases. Pairs
share placements and images, so the shares of single divisions vary; the script shows their mean.
"""

import argparse
import sys
from itertools import combinations

import numpy as np

from ean_search.analysis.paired import compare_answers
from ean_search.analysis.run_folder import load_run
from ean_search.analysis.significance import Z_VALUE

DIVISIONS = 20
MAX_PAIRS = 500  # of each division, drawn at random


def coverage(right: np.ndarray, rng: np.random.Generator) -> float:
    """Return the share of pairs whose differences on two halves agree within their errors.

    Args:
        right: Whether each placement was right on each image, (placements, images).
        rng: Divides the images, and draws pairs.
    """
    order = rng.permutation(right.shape[1])
    halves = right[:, order[::2]], right[:, order[1::2]]
    pairs = rng.permutation(list(combinations(range(len(right)), 2)))[:MAX_PAIRS]
    agree = []
    for one, other in pairs:
        first, second = (compare_answers(half[one], half[other]) for half in halves)
        error = np.hypot(first.standard_error, second.standard_error)
        agree.append(abs(first.difference - second.difference) <= Z_VALUE * error)
    return float(np.mean(agree))


def main() -> None:
    """Show how often intervals hold on a run's answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    run = load_run(parser.parse_args().run)
    kept = list(run.read_answers().values())
    images = max((answers.images for answers in kept), default=0)
    whole = [answers.right for answers in kept if answers.images == images]  # none stopped early
    if len(whole) < 3:
        sys.exit(f"{run.path} keeps no answers of three trials or more")
    shares = [coverage(np.stack(whole), np.random.default_rng(n)) for n in range(DIVISIONS)]
    pairs = DIVISIONS * min(MAX_PAIRS, len(whole) * (len(whole) - 1) // 2)
    share = f"{100 * np.mean(shares):.1f} % of {pairs} pairs agree"
    print(f"{share} ({len(whole)} trials, {images} images)")


if __name__ == "__main__":
    main()
