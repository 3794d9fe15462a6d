"""Training folders: the only code that knows where the files of one training lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ean_search.core.space import Placement
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.files import read_json_object

DESCRIPTION_NAME = "training.json"  # a folder without it is not that of a training


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of one training of one placement."""

    path: Path

    @property
    def description_file(self) -> Path:
        """The description: what is trained, on what data, and how."""
        return self.path / DESCRIPTION_NAME

    @property
    def weights_file(self) -> Path:
        """The trained weights."""
        return self.path / "model.safetensors"

    @property
    def metrics_file(self) -> Path:
        """The results; a training without them is not finished."""
        return self.path / "metrics.json"

    @property
    def state_file(self) -> Path:
        """The checkpoint of an unfinished training."""
        return self.path / "checkpoint.pt"

    @property
    def lock_file(self) -> Path:
        """The lock of the process that is training; beside the folder, only there meanwhile."""
        return self.path.with_name(f".{self.path.name}.lock")

    @property
    def export_folder(self) -> Path:
        """The network in formats that other programs open."""
        return self.path / "export"

    @property
    def pruned_folder(self) -> "TrainingFolder":
        """The folder of the pruned copy, whose constant gates are fused."""
        return TrainingFolder(self.path / "folded")

    @property
    def is_finished(self) -> bool:
        """Whether the training has ended."""
        return self.metrics_file.is_file()

    @property
    def is_pruned(self) -> bool:
        """Whether this is the pruned copy of another training."""
        return self.read_description().get("folded_from") is not None

    @property
    def placement(self) -> str:
        """The placement, as text."""
        return str(self.read_description()["placement"])

    @property
    def seed(self) -> int:
        """The seed of the training."""
        seed = self.read_description()["seed"]
        if not isinstance(seed, int):
            raise UserError(
                f"{self.description_file}: seed: expected a number, got {shorten(seed)}"
            )
        return seed

    def recipe_below(self, root: Path) -> str | None:
        """Return the recipe's name, a part of the path below `root`; None for the run's own."""
        parts = list(self.path.relative_to(root).parts[:-1])
        if self.read_description().get("pretrained") is not None:
            parts = parts[:-1]
        return parts[0] if parts else None

    def read_description(self) -> dict[str, Any]:
        """Read what is trained, on what data, and how."""
        description = read_json_object(self.description_file)
        if description is None:
            raise UserError(f"{self.path} is not a training's folder: it has no {DESCRIPTION_NAME}")
        for name in ("placement", "seed"):
            if name not in description:
                raise UserError(f"{self.description_file}: the field {name!r} is missing")
        return description

    def read_metrics(self) -> dict[str, Any] | None:
        """Read the results, or return None if the training is not finished."""
        return read_json_object(self.metrics_file)

    @staticmethod
    def name(placement: Placement, seed: int) -> str:
        """Name the folder of a placement's training."""
        return f"{placement}-seed{seed}"
