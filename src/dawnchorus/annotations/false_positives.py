"""Boxes that people checked and that lack a species (RFCX's train_fp.csv): they say something about that class alone.

A row says that its box does not hold its species. It says nothing of other species, and never that nothing is there.
"""

from collections.abc import Collection, Iterable

from dawnchorus.annotations.recordings import Box, class_order
from dawnchorus.foundation.errors import listed
from dawnchorus.tables.users import Problem


def unknown_species(boxes: Iterable[Box], species_ids: Collection[str]) -> list[Problem]:
    """Return a problem for each row whose species is none of the model's, ``species_ids``.

    Without any species the annotations have problems of their own, and these boxes none yet.
    """
    if not species_ids:
        return []
    expected = f"a species of the annotations, one of {listed(class_order(species_ids))}"
    return [row.problem("species_id", expected) for row, box in boxes if box["species_id"] not in species_ids]
