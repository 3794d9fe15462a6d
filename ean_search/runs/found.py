"""What a search over a user's module found: networks, a front, and other budgets."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from ean_search.analysis.html_report import write_report
from ean_search.analysis.pick import pick_placement
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.analysis.run_folder import Run
from ean_search.analysis.score_names import with_score_names
from ean_search.core.space import Placement
from ean_search.evaluation.norm_statistics import NormCalibration
from ean_search.networks.builder import prune
from ean_search.networks.live import LiveNetwork
from ean_search.networks.plain_modules import make_plain
from ean_search.networks.sites import find_sites
from ean_search.utils.errors import UserError
from ean_search.utils.files import write_atomically

WHOLE_MODULE_SUFFIXES = (".pt", ".pth")


@dataclass(frozen=True, eq=False)
class Found:
    """The result of `search_attention`.

    Attributes:
        run: The folder of the search; `ean-search report`, `pick` and the notebooks read it, too.
        placement: Which sites have attention; that of the highest reward within the limits.
        weights: The weight-sharing network, from which placements are cut.
        live: The module that was searched in.
        calibration: Sets the norm statistics of a placement, as before it was scored; None: they
            are those of the training.
    """

    run: Run
    placement: Placement
    weights: nn.Module
    live: LiveNetwork
    calibration: NormCalibration | None = None

    @cached_property
    def network(self) -> nn.Module:
        """The network of the placement, of plain torch modules, in evaluation mode.

        It can be trained, exported, and saved by `torch.save`; loading it does not need this
        package.
        """
        pruned = prune(self.weights, self.placement).eval()
        if self.calibration is not None:
            self.calibration.apply(pruned)
        hearts = {site.module_path: site.returned for site in self._sites if site.removed}
        return make_plain(pruned, self.live.example, hearts)

    @property
    def front(self) -> pd.DataFrame:
        """The placements that nothing beats in both the score and the cost, cheapest first."""
        return with_score_names(self.run.front(), self.run.score)

    @property
    def trials(self) -> pd.DataFrame:
        """All placements that were scored, in their order."""
        return with_score_names(self.run.frame(), self.run.score)

    @property
    def score(self) -> float:
        """The score of the placement, in the units of the user's function."""
        worths = {trial.placement: trial.accuracy for trial in self.run.read_trials()}
        worth = worths[self.placement]
        assert worth is not None, "a placement that failed is never the answer"
        return self.run.score.value(worth)

    @cached_property
    def sites(self) -> pd.DataFrame:
        """One row per site: its path, what it had, and what the placement has there."""
        names = ["none", *(choice.name for choice in self.run.space.attention)]
        rows = [
            (site.number, site.module_path, site.own, names[choice])
            for site, choice in zip(self._sites, self.placement.choices, strict=True)
        ]
        return pd.DataFrame(rows, columns=["site", "path", "own", "choice"])

    def pick(self, limits: str = "", *, max_drop: float | None = None) -> "Found":
        """Return what was found for another budget; nothing is scored anew.

        Args:
            limits: Such as "latency < 0.95x", in place of those of the search.
            max_drop: How much of the score may be lost, compared with attention at every site, in
                points (hundredths); the answer is then the cheapest placement.

        Raises:
            UserError: If no placement that was scored keeps both.
        """
        picked = pick_placement(self.run, limits, max_drop=max_drop)
        return replace(self, placement=self.run.space.parse(picked.placement))

    def at(self, placement: Placement | str) -> "Found":
        """Return another placement, such as "all", "knee" or one of the front."""
        return replace(self, placement=self.run.find(placement))

    def report(self) -> Path:
        """Write the page about the search, and return its path."""
        write_report([RunAnalysis(self.run)], self.run.report_file)
        return self.run.report_file

    def save(self, path: Path | str) -> Path:
        """Save the network.

        Args:
            path: A file. With the suffix `.safetensors` it gets the weights, and the placement as
                metadata; with `.pt`, the whole module, for `torch.load(path, weights_only=False)`.

        Returns:
            The path.

        Raises:
            UserError: If the suffix is another one.
        """
        path = Path(path)
        if path.suffix == ".safetensors":
            write_atomically(path, self._write_weights)
        elif path.suffix in WHOLE_MODULE_SUFFIXES:
            write_atomically(path, lambda part: torch.save(self.network, part))
        else:
            raise UserError(f"expected a file *.safetensors or *.pt, got {path.name}")
        return path

    def _write_weights(self, part: Path) -> None:
        from safetensors.torch import save_model

        chosen = dict(zip(self.sites.path, self.sites.choice, strict=True))
        about = {"placement": str(self.placement), "sites": json.dumps(chosen)}
        save_model(self.network, str(part), about)

    @cached_property
    def _sites(self) -> list:  # type: ignore[type-arg]
        return list(find_sites(self.run.space))
