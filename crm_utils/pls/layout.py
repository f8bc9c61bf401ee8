"""A path model as arrays: which item belongs to which construct, and which construct leads to which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np


def shown_name(construct: str) -> str:
    """Name of a construct as people read it.

    Parameters
    ----------
    construct : str
        Name in a model.

    Returns
    -------
    str
        The name with spaces. Items keep their own names, under which they are found in the data.

    Examples
    --------
    >>> shown_name("service_quality")
    'service quality'
    """
    return construct.replace("_", " ")


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of items and constructs; items are in the order of their constructs.

    Attributes
    ----------
    items, constructs : tuple of str
        Names.
    owner : numpy.ndarray of int, shape (items,)
        Position of the construct of each item.
    regression : numpy.ndarray of bool, shape (constructs,)
        Whether the construct is of mode B.
    arrows : numpy.ndarray of bool, shape (constructs, constructs)
        Whether a path leads from the row to the column.
    order : tuple of int
        Constructs that are led to, each after all that lead to it.
    """

    items: tuple[str, ...]
    constructs: tuple[str, ...]
    owner: np.ndarray
    regression: np.ndarray
    arrows: np.ndarray
    order: tuple[int, ...]

    @classmethod
    def of(
        cls, blocks: Mapping[str, Sequence[str]], regression: Collection[str], paths: Iterable[tuple[str, str]]
    ) -> Layout:
        """Lay out a specification without faults; `regression` names the constructs of mode B."""
        names = tuple(blocks)
        arrows = np.zeros((len(names), len(names)), dtype=bool)
        for source, target in paths:
            arrows[names.index(source), names.index(target)] = True
        sources = {position: np.flatnonzero(arrows[:, position]).tolist() for position in range(len(names))}
        return cls(
            items=tuple(item for items in blocks.values() for item in items),
            constructs=names,
            owner=np.repeat(np.arange(len(names)), [len(items) for items in blocks.values()]),
            regression=np.array([name in regression for name in names]),
            arrows=arrows,
            order=tuple(node for node in TopologicalSorter(sources).static_order() if sources[node]),
        )

    @property
    def membership(self) -> np.ndarray:
        """Whether an item (row) belongs to a construct (column)."""
        return self.owner[:, None] == np.arange(len(self.constructs))

    @property
    def reflective(self) -> np.ndarray:
        """Whether a construct is of mode A and has two items or more, so that its reliability can be told."""
        return ~self.regression & (self.membership.sum(axis=0) > 1)

    def block(self, construct: int) -> np.ndarray:
        """Positions of the items of a construct."""
        return np.flatnonzero(self.owner == construct)

    def sources(self, construct: int) -> np.ndarray:
        """Positions of the constructs that lead to a construct."""
        return np.flatnonzero(self.arrows[:, construct])

    def reaches(self) -> np.ndarray:
        """Whether the row leads to the column, directly or through others."""
        reached = self.arrows.copy()
        for target in self.order:
            reached[:, target] |= reached[:, self.sources(target)].any(axis=1)
        return reached

    def without(self, source: int, target: int) -> Layout:
        """The layout without one path; a construct that no path is left for is left out."""
        arrows = self.arrows.copy()
        arrows[source, target] = False
        kept = np.flatnonzero(arrows.any(axis=0) | arrows.any(axis=1))
        names = tuple(self.constructs[position] for position in kept)
        return Layout.of(
            {self.constructs[position]: [self.items[item] for item in self.block(position)] for position in kept},
            {self.constructs[position] for position in kept if self.regression[position]},
            [(names[start], names[end]) for start, end in zip(*np.nonzero(arrows[np.ix_(kept, kept)]), strict=True)],
        )
