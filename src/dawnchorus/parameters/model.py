"""The block `model`: which network is trained. Its other keys are the network's own."""

from dawnchorus.parameters.base import Block, value


class Model(Block):
    """The network; ``name`` is a file in the folder of networks, whose ``Params`` are the other keys of the block."""

    meaning = "the network"
    follows = "dataset"
    read_by = ("model", "learning_curve_draw", "report")

    name: str = value("cnn", "the network, a file of src/dawnchorus/networks; the other keys of this block are its own")
