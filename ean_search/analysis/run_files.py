"""Where the files of a run lie in its folder."""

from dataclasses import dataclass
from pathlib import Path

from ean_search.search.answer_log import answers_file
from ean_search.utils.trust import PROVENANCE_NAME

RAY_FOLDERS = ("train", "tune")  # Ray's, while it trains the supernet or evaluates
RAY_EVALUATIONS = ("tune", "verify")  # before the number of a Tuner


@dataclass(frozen=True)
class RunFiles:
    """The paths of a run's files.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def experiment_file(self) -> Path:
        """The experiment with everything spelled out; a folder without it is no run."""
        return self.path / "experiment.yaml"

    @property
    def provenance_file(self) -> Path:
        """The versions and the hardware that the run was started with."""
        return self.path / PROVENANCE_NAME

    @property
    def costs_file(self) -> Path:
        """The cost table."""
        return self.path / "costs.json"

    @property
    def supernet_file(self) -> Path:
        """The weights of the supernet."""
        return self.path / "supernet.safetensors"

    @property
    def supernet_checkpoint(self) -> Path:
        """The state of the supernet's training, until it is finished."""
        return self.supernet_file.with_suffix(".checkpoint")

    @property
    def lock_file(self) -> Path:
        """The lock of the process that is working on the run."""
        return self.path / ".lock"

    @property
    def trials_file(self) -> Path:
        """The trial log of the search."""
        return self.path / "trials.jsonl"

    @property
    def answers_file(self) -> Path:
        """The answers of the trials to the images of the search."""
        return answers_file(self.trials_file)

    @property
    def judged_file(self) -> Path:
        """The answers of the compared placements to the images that judge."""
        return self.path / "judged.answers.jsonl"

    @property
    def warm_start_file(self) -> Path:
        """The trials of another run that the searcher learnt from first."""
        return self.path / "warm_start.jsonl"

    @property
    def verified_file(self) -> Path:
        """The trial log of the stand-alone trainings after the search."""
        return self.path / "verified.jsonl"

    @property
    def checkpoints_folder(self) -> Path:
        """The checkpoints of unfinished stand-alone trainings."""
        return self.path / "training"

    @property
    def front_table(self) -> Path:
        """The front as a table, with measured latencies."""
        return self.path / "front.csv"

    @property
    def front_picture(self) -> Path:
        """The front as a picture, with the placements on it."""
        return self.path / "front.png"

    @property
    def summary_file(self) -> Path:
        """The conclusions of the run; this file is written last."""
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        """The HTML page about the run."""
        return self.path / "report.html"

    @property
    def tensorboard_folder(self) -> Path:
        """The scalars, for TensorBoard, of all tasks that report progress."""
        return self.path / "tensorboard"

    @property
    def optuna_file(self) -> Path:
        """The journal of the Optuna study that mirrors the trials."""
        return self.path / "optuna.journal"

    @property
    def grad_cam_folder(self) -> Path:
        """The Grad-CAM pictures of where networks look."""
        return self.path / "explain"

    def is_preparation(self, entry: Path) -> bool:
        """Tell whether a run makes this entry of its folder before its first trial."""
        own = (
            self.experiment_file,
            self.provenance_file,
            self.costs_file,
            self.supernet_file,
            self.supernet_checkpoint,
            self.trials_file,
            self.answers_file,
            self.warm_start_file,
            self.checkpoints_folder,
            self.tensorboard_folder,
            self.lock_file,
            *(self.path / name for name in RAY_FOLDERS),
        )
        rays = entry.name.rpartition("-")[0] in RAY_EVALUATIONS
        return entry in own or rays or entry.suffix in (".part", ".lock")
