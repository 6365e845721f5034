"""All of params.yaml: the seed and the blocks, in the order of the file."""

from dawnchorus.parameters.base import Block, value
from dawnchorus.parameters.cross_validation import CrossValidation
from dawnchorus.parameters.data import Data
from dawnchorus.parameters.dataset import Dataset
from dawnchorus.parameters.detections import Detections
from dawnchorus.parameters.evaluation import Evaluation
from dawnchorus.parameters.features import Features
from dawnchorus.parameters.figures import Figures
from dawnchorus.parameters.model import Model
from dawnchorus.parameters.overfitting_study import OverfittingStudy
from dawnchorus.parameters.report import Report
from dawnchorus.parameters.simulate import Simulate
from dawnchorus.parameters.split import Split
from dawnchorus.parameters.train import Train


class Recipe(Block):
    """The blocks; the keys of the chosen network are joined to ``model`` where networks are known."""

    seed: int = value(
        123,
        "the root of every random draw",
        ge=0,
        le=2**32 - 1,
        read_by=("simulate", "split", "folds", "model", "evaluation", "cross_validation", "study_model", "report"),
    )
    data: Data = value(..., "the recordings and their annotations")
    simulate: Simulate = value(..., "the simulated data set; {} with data of your own")
    features: Features = value(..., "what is cut out of the recordings, and which numbers it becomes")
    split: Split = value(..., "which annotations train, validate and test")
    dataset: Dataset = value(..., "clips of unequal length as one normalized array")
    model: Model = value(..., "the network")
    train: Train = value(..., "how the network is fitted, and what is done to the training clips")
    evaluation: Evaluation = value(..., "metrics, their intervals and the calibration")
    figures: Figures = value(..., "pictures of the run")
    report: Report = value(..., "the page of the run")
    detections: Detections = value(..., "the model at work on new recordings; made on demand")
    cross_validation: CrossValidation = value(..., "what the recipe is worth on all recordings; made on demand")
    overfitting_study: OverfittingStudy = value(..., "the article's network, grown step by step; made on demand")
