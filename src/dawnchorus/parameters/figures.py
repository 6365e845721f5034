"""The block `figures`: what is drawn."""

from dawnchorus.parameters.base import Block, value


class Figures(Block):
    """Pictures of the run."""

    meaning = "pictures of the run"
    follows = "detection_metrics"
    read_by = ("figures", "report")

    example_species: int = value(4, "species shown as an example, the commonest first", ge=1, le=12)
