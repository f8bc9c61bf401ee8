"""Where the boxes, arrows and labels of a path diagram stand, so that it can be read.

Causes stand left of their effects, in columns. How high the boxes stand, how the arrows bend and where the labels lie
is sought together: a drawing is charged for what makes it hard to read, and boxes are moved as long as that helps.
All lengths are in points. A curve is a quadratic Bézier curve: its start, the point that it bends towards, its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# What makes a drawing hard to read, and how much it counts.
_COST = {
    "crossing": 2.0,  # of two arrows
    "along": 0.3,  # an eighth of an arrow is close to another one
    "heads": 2.0,  # two heads in one place; one where another arrow begins counts twice
    "crowded": 0.6,  # two heads close to each other
    "tails": 1.2,  # two arrows that begin in one place
    "through": 12.0,  # an arrow through a box that it does not belong to
    "bend": 2.0,  # an arrow that bends as far as it is long
    "hook": 6.0,  # the same, of what it bends beyond a quarter
    "aside": 0.2,  # an arrow that does not aim at the middle of a box
    "backward": 6.0,  # an arrow that does not lead to the right
    "behind": 1.5,  # an arrow that comes in on the right or goes out on the left
    "corner": 0.4,
    "slanting": 0.8,  # an arrow that meets a side at a small angle
    "stub": 4.0,  # an arrow with no room for its head
    "cramped": 1.5,  # an arrow that its own label would hide
    "length": 0.004,  # a point of an arrow
    "outside": 0.04,  # a point of height beyond the boxes
    "label on box": 30.0,
    "label on label": 15.0,
    "label on other": 5.0,  # an arrow that the label does not belong to
    "label near other": 0.4,
    "label on head": 5.0,
    "label on start": 2.0,
    "label beside": 0.8,
    "label above": 0.4,  # of a level arrow
    "label off middle": 1.5,  # as far from the middle as the arrow is long
    "height": 0.5,  # a row
    "too high": 6.0,  # a row that there is no room for
    "balance": 0.1,  # a row between a box and the middle of what leads there
    "order": 0.05,  # two boxes of a column in another order than in the model
}
# Distances.
_MARGIN = 2.0  # around everything
_CLEAR = 7.0  # from an arrow to a box that it does not belong to
_APART = 9.0  # from an arrow to another
_SPACE = 8.0  # from a box to another
_WIDEST = 105.0  # from a column to the next
# How much is tried.
_MOST_LOOKS = 5_000  # shared by the arrows: with more of them a look takes longer
_MOST_WAYS = 12
_SLACK = 1.5  # by which a first look at a move may be worse than the plan
_RISES = (0, 3, 5, 2)  # of every second column, from which a search starts; fewer where there are many arrows
_MOST_STARTS = 34  # shared by the arrows
_PRESSED = 3  # times

# Where in a box an arrow aims, in halves of the box; how far it bends, in its own length.
_AIMS = np.array([[0, 0], [0, 0.55], [0, -0.55], [0.6, 0], [-0.6, 0]])
_BENDS = np.array([0, 0.07, -0.07, 0.14, -0.14, 0.22, -0.22, 0.32, -0.32, 0.45, -0.45])
_START, _END, _BEND = np.indices((len(_AIMS), len(_AIMS), len(_BENDS))).reshape(3, -1)
_COARSE, _FINE, _DENSE, _CUTS = (np.linspace(0, 1, points) for points in (8, 24, 40, 33))
# Where a label may lie: shares of its arrow's way; on the arrow, left or right of it.
_ALONG = np.array([0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74])
_SIDES = np.array([0, 1, -1])


class Arrangement(NamedTuple):
    """Places of everything in a diagram.

    Attributes
    ----------
    centers : numpy.ndarray of float, shape (constructs, 2)
        Middles of the boxes.
    curves : numpy.ndarray of float, shape (paths, 3, 2)
        Arrows, from the edge of one box to the edge of the other.
    labels : numpy.ndarray of float, shape (paths, 2)
        Middles of the labels.
    size : numpy.ndarray of float, shape (2,)
        Width and height of all of it; the lower left corner is at zero.
    """

    centers: np.ndarray
    curves: np.ndarray
    labels: np.ndarray
    size: np.ndarray


def arrange(
    arrows: np.ndarray,
    order: Iterable[int],
    boxes: np.ndarray,
    labels: np.ndarray,
    *,
    width: float,
    height: float = np.inf,
) -> Arrangement:
    """Find places for the boxes, arrows and labels of a diagram.

    Parameters
    ----------
    arrows : numpy.ndarray of bool, shape (constructs, constructs)
        Whether a path leads from the row to the column; no circles.
    order : iterable of int
        Constructs that are led to, each after all that lead to it.
    boxes : numpy.ndarray of float, shape (constructs, 2)
        Width and height of each box.
    labels : numpy.ndarray of float, shape (paths, 2)
        Width and height of each path's label; paths by row, then column.
    width, height : float
        Room there is. Columns keep half a box's width at least; what is too high is pressed together.

    Returns
    -------
    Arrangement
        The places.

    Examples
    --------
    >>> arrows = np.array([[False, True], [False, False]])
    >>> found = arrange(arrows, [1], np.full((2, 2), [60.0, 30.0]), np.array([[20.0, 10.0]]), width=250)
    >>> found.centers.tolist(), found.labels.round().tolist()
    ([[32.0, 17.0], [197.0, 17.0]], [[114.0, 17.0]])
    """
    # Diagrams of one model seldom differ in their sizes, and the search takes a second or two.
    tables = (tuple(map(tuple, np.asarray(table).tolist())) for table in (arrows, boxes, labels))
    return _arranged(*tables, tuple(order), width, height)


@lru_cache(maxsize=64)
def _arranged(
    arrows: tuple, boxes: tuple, labels: tuple, order: tuple[int, ...], width: float, height: float
) -> Arrangement:
    arrows, boxes, labels = np.array(arrows), np.array(boxes), np.array(labels)
    column = columns(arrows, order)
    widest = boxes[:, 0].max()
    pitch = np.clip((width - widest - 2 * _MARGIN) / max(column.max(), 1), widest / 2, widest + _WIDEST)
    across = _MARGIN + widest / 2 + column * pitch
    sheet = _Sheet(np.argwhere(arrows), boxes / 2, labels, across.max() + widest / 2 + _MARGIN)
    plan = _Search(sheet, arrows, column, across, height).best()
    centers = plan.centers
    found = sheet.arrangement(centers, plan.chosen)
    # Where boxes come closer, arrows and labels may have to go around them: not at once as flat as meant.
    for _ in range(_PRESSED):
        excess, middles = found.size[1] - height, np.ptp(centers[:, 1])
        if excess <= 0 or not middles:
            break
        centers = centers * [1, max(1 - excess / middles, 0)]
        found = sheet.arrangement(centers, plan.chosen)
    return found


def columns(arrows: np.ndarray, order: Iterable[int]) -> np.ndarray:
    """Column of each construct: after all that lead there; one that nothing leads to just before its first effect.

    Examples
    --------
    >>> arrows = np.zeros((4, 4), dtype=bool)
    >>> arrows[[0, 1, 3], [1, 2, 2]] = True
    >>> columns(arrows, [1, 2]).tolist()
    [0, 1, 2, 1]
    """
    column = np.zeros(len(arrows), dtype=int)
    for target in order:
        column[target] = column[arrows[:, target]].max() + 1
    for source in np.flatnonzero(~arrows.any(axis=0)):
        column[source] = column[arrows[source]].min() - 1
    return column


def points_of(curves: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points of curves (…, 3, 2) at shares of their way from 0 to 1, shape (…, shares, 2)."""
    share = np.asarray(share)[..., None]
    start, bend, end = (curves[..., None, place, :] for place in range(3))
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end


class _Ways(NamedTuple):
    """Ways from a box at the origin to another: curves, points on them, corners, and what each costs by itself."""

    curves: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cost: np.ndarray


class _Plan(NamedTuple):
    """Boxes in their rows, the way that each arrow takes, and what is hard to read in it."""

    cost: float
    rows: tuple[int, ...]
    chosen: np.ndarray
    centers: np.ndarray


class _Sheet:
    """Arrows between boxes whose places are given."""

    def __init__(self, ends: np.ndarray, half: np.ndarray, labels: np.ndarray, width: float):
        self.ends, self.half, self.labels, self.width = ends, half, labels, width
        # Boxes that an arrow has nothing to do with.
        self.foreign = (ends[:, :, None] != np.arange(len(half))).all(axis=1)
        self._sizes = np.column_stack([half[ends].reshape(len(ends), -1), labels[:, 1]]).tolist()
        self._known: dict[tuple, _Ways] = {}

    def arrangement(self, centers: np.ndarray, chosen: np.ndarray) -> Arrangement:
        """Everything in its place, arrows starting from the ways chosen."""
        _, curves, _ = self.route(centers, chosen, range(len(self.ends)))
        labels, _ = self.place(centers, curves)
        corners = [points_of(curves, _FINE).reshape(-1, 2)]
        for middles, half in ((centers, self.half), (labels, self.labels / 2)):
            corners += [middles - half, middles + half]
        corners = np.concatenate(corners)
        zero = corners.min(axis=0) - _MARGIN
        return Arrangement(centers - zero, curves - zero, labels - zero, corners.max(axis=0) + _MARGIN - zero)

    def ways_of(self, centers: np.ndarray) -> list[_Ways]:
        """All ways of every arrow."""
        ways = []
        shifts = (centers[self.ends[:, 1]] - centers[self.ends[:, 0]]).round(3)
        for arrow, shift in enumerate(shifts.tolist()):
            key = (*shift, *self._sizes[arrow])
            if key not in self._known:
                self._known[key] = _ways(shifts[arrow], *self.half[self.ends[arrow]], self.labels[arrow, 1])
            ways.append(self._known[key])
        return ways

    def alone(self, ways: _Ways, starts: np.ndarray, centers: np.ndarray, foreign: np.ndarray) -> np.ndarray:
        """What ways cost whatever other arrows do: by themselves, and for the boxes of others that they meet."""
        boxes = np.broadcast_to(centers - np.reshape(starts, (-1, 1, 2)), (len(ways.cost), *centers.shape))
        reach = self.half + _CLEAR
        near = (ways.low[:, None] - reach < boxes) & (boxes < ways.high[:, None] + reach)
        way, box = np.nonzero(near[..., 0] & near[..., 1] & foreign)
        inside = _inside(ways.fine[way], boxes[way, box][:, None], reach[box][:, None]).sum(axis=1)
        hits = np.bincount(way[inside > 0], minlength=len(ways.cost))
        depth = np.bincount(way, inside, minlength=len(ways.cost)) / len(_FINE)
        low, high = ways.low + starts, ways.high + starts
        bottom, top = (centers - self.half)[:, 1].min(), (centers + self.half)[:, 1].max()
        beyond = np.maximum(high[:, 1] - top, 0) + np.maximum(bottom - low[:, 1], 0)
        return (
            ways.cost
            + _COST["through"] * (hits + depth)
            + _COST["backward"] * ((low[:, 0] < 0) | (high[:, 0] > self.width))
            + _COST["outside"] * beyond
        )

    def taken(self, ways: list[_Ways], chosen: np.ndarray) -> _Ways:
        """The way that each arrow takes."""
        return _Ways(
            *(
                np.stack([part[which] for part, which in zip(parts, chosen, strict=True)])
                for parts in zip(*ways, strict=True)
            )
        )

    def astray(self, centers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Arrows without a way, or with one that leads through a box."""
        taken = self.taken(self.ways_of(centers), np.maximum(chosen, 0))
        cost = self.alone(taken, centers[self.ends[:, 0]], centers, self.foreign) - taken.cost
        return np.flatnonzero((chosen < 0) | (cost >= _COST["through"]))

    def route(
        self, centers: np.ndarray, chosen: np.ndarray, active: Iterable[int], *, rounds: int = 4
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Let the active arrows choose their ways in turn, until none finds a better one.

        Returns
        -------
        chosen : numpy.ndarray of int, shape (arrows,)
            Number of the way that each arrow takes.
        curves : numpy.ndarray of float, shape (arrows, 3, 2)
            The ways.
        cost : float
            What they cost.
        """
        chosen = chosen.copy()
        starts = centers[self.ends[:, 0]]
        ways = self.ways_of(centers)
        options = {}
        for arrow in active:
            way, shift = ways[arrow], starts[arrow]
            cost = self.alone(way, shift, centers, self.foreign[arrow])
            kept = np.argsort(cost.round(6), kind="stable")[:_MOST_WAYS]
            if chosen[arrow] not in kept:
                chosen[arrow] = kept[0]
            options[arrow] = kept, cost[kept], way.curves[kept] + shift, way.coarse[kept] + shift
        taken = self.taken(ways, chosen)
        own = self.alone(taken, starts, centers, self.foreign)
        curves, coarse = taken.curves + starts[:, None], taken.coarse + starts[:, None]
        together = {arrow: np.zeros((len(kept), len(ways))) for arrow, (kept, *_) in options.items()}
        stale = ~np.eye(len(ways), dtype=bool)
        for _ in range(rounds):
            settled = True
            for arrow, (kept, cost, others, points) in options.items():
                if (new := np.flatnonzero(stale[arrow])).size:
                    together[arrow][:, new] = _between(others, points, curves[new], coarse[new])
                    stale[arrow] = False
                total = cost + together[arrow].sum(axis=1)
                best = int(total.round(6).argmin())
                if total[best] < total[kept == chosen[arrow]][0] - 1e-6:
                    chosen[arrow], own[arrow] = kept[best], cost[best]
                    curves[arrow], coarse[arrow] = others[best], points[best]
                    stale[:, arrow], stale[arrow, arrow], settled = True, False, False
            if settled:
                break
        pairs = np.triu(_between(curves, coarse, curves, coarse), 1)
        return chosen, curves, float(own.sum() + pairs.sum())

    def place(self, centers: np.ndarray, curves: np.ndarray, *, rounds: int = 6) -> tuple[np.ndarray, float]:
        """Find places for the labels, on their arrows or beside them; also what that costs."""
        count = len(curves)
        every = np.arange(count)
        places, cost = self._label_places(centers, curves)
        first = cost.round(6).argmin(axis=1)
        chosen, taken = first.copy(), places[every, first]
        room = (self.labels[:, None] + self.labels) / 2 + [6, 2]
        for _ in range(rounds):
            clashes = _inside(taken[:, None], taken, room) & (every[:, None] != every)
            settled = True
            for label in np.flatnonzero(clashes.any(axis=1) | (chosen != first)):
                others = _inside(places[label][:, None], taken, room[label]) & (every != label)
                total = cost[label] + _COST["label on label"] * others.sum(axis=1)
                best = int(total.round(6).argmin())
                if total[best] < total[chosen[label]] - 1e-6:
                    chosen[label], taken[label], settled = best, places[label, best], False
            if settled:
                break
        clashes = np.triu(_inside(taken[:, None], taken, room), 1)
        return taken, float(cost[every, chosen].sum() + _COST["label on label"] * clashes.sum())

    def _label_places(self, centers: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places that each label may have, and what they cost; shapes (labels, places, 2) and (labels, places)."""
        every, half = np.arange(len(curves)), self.labels / 2
        along, ahead = points_of(curves, _ALONG), _directions(curves, _ALONG)
        normal = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1)
        reach = (np.abs(normal) * half[:, None]).sum(axis=-1, keepdims=True)
        level = np.abs(ahead[..., 1]) < 0.2
        middle = _COST["label off middle"] * np.abs(_ALONG - 0.5)
        beside = np.where(level, _COST["label above"], _COST["label beside"])
        places = np.concatenate([along + side * normal * (reach + 3) for side in _SIDES], axis=1)
        cost = np.concatenate([middle + (side != 0) * beside for side in _SIDES], axis=1)
        on_boxes = _inside(places[:, :, None], centers, self.half + half[:, None, None] + 4).sum(axis=-1)
        beyond = (places[..., 0] < half[:, :1]) | (places[..., 0] + half[:, :1] > self.width)
        cost += _COST["label on box"] * (on_boxes + beyond)
        low, high = (centers - self.half)[:, 1].min(), (centers + self.half)[:, 1].max()
        over, under = places[..., 1] + half[:, 1:] - high, low - places[..., 1] + half[:, 1:]
        cost += _COST["outside"] * np.maximum(np.maximum(over, under) - 8, 0)

        # Distances from a label's box to the points of every arrow: labels, arrows, places, points.
        lines = points_of(curves, _DENSE).astype(np.float32)
        here, size = places.astype(np.float32), half.astype(np.float32)
        x, y = (
            np.abs(lines[None, :, None, :, axis] - here[:, None, :, None, axis]) - size[:, None, None, None, axis]
            for axis in (0, 1)
        )
        far = np.maximum(x, y)
        covered = far[every, every] < 2
        least = far.min(axis=-1)
        least[every, every] = np.inf
        on = np.repeat(_SIDES == 0, len(_ALONG))
        cost += _COST["label on other"] * (least < 2).sum(axis=1)
        cost += _COST["label near other"] * (least < _APART).sum(axis=1) * np.where(on, 1, 2)
        piece = np.linalg.norm(np.diff(lines, axis=1), axis=-1).mean(axis=1)[:, None]
        first, last = covered.argmax(axis=-1), len(_DENSE) - 1 - covered[..., ::-1].argmax(axis=-1)
        cost += _COST["label on head"] * (covered.any(axis=-1) & ((len(_DENSE) - 1 - last) * piece < 20))
        cost += _COST["label on start"] * (covered.any(axis=-1) & (first * piece < 9))
        return places, cost


class _Search:
    """Moves boxes between rows as long as the drawing gets easier to read."""

    def __init__(
        self, sheet: _Sheet, arrows: np.ndarray, column: np.ndarray, across: np.ndarray, height: float = np.inf
    ):
        self.sheet, self.arrows, self.column, self.across = sheet, arrows, column, across
        self.step = sheet.half[:, 1].max() + sheet.labels[:, 1].max() / 2 + 2
        heights = sheet.half[:, 1]
        self.room = (height - 2 * heights.max()) / self.step
        self.least = np.ceil((heights[:, None] + heights + _SPACE) / self.step)
        self.least[np.abs(across[:, None] - across) >= 2 * sheet.half[:, 0].max() + _SPACE] = 0
        np.fill_diagonal(self.least, 0)
        self._finished: set[tuple[int, ...]] = set()

    def best(self) -> _Plan:
        """The best of the plans found from several starts."""
        starts = _RISES[: max(_MOST_STARTS // len(self.sheet.ends), 1)]
        plans = [self._improved(self._first_rows(rise)) for rise in starts]
        return min(plans, key=lambda plan: round(plan.cost, 6))

    def _improved(self, rows: tuple[int, ...]) -> _Plan:
        """The plan found by moving one box, or exchanging two, at a time."""
        plan = self._whole(rows, np.full(len(self.sheet.ends), -1))
        looks = construct = unmoved = 0
        most = _MOST_LOOKS // len(plan.chosen)
        while unmoved < len(self.column) and looks < most:
            found = []
            for rows in self._moves(plan.rows, construct):
                looks += 1
                moved = np.array(rows) != np.array(plan.rows)
                again = np.where(moved[self.sheet.ends].any(axis=1), -1, plan.chosen)
                tried = self._glance(rows, again, plan.cost)
                if tried.cost < plan.cost + _SLACK:
                    found.append((round(tried.cost, 6), rows, tried.chosen))
            unmoved += 1
            for _, rows, chosen in sorted(found, key=lambda each: each[:2])[:2]:
                tried = self._whole(rows, chosen)
                if tried.cost < plan.cost - 1e-6:
                    plan, unmoved = tried, 0
            construct = (construct + 1) % len(self.column)
            if _lowered(plan.rows) in self._finished:
                return plan
        self._finished.add(_lowered(plan.rows))
        return plan

    def _first_rows(self, rise: int) -> tuple[int, ...]:
        """Every box as near as can be to the middle of its causes, or every second column `rise` rows higher."""
        count = len(self.column)
        rows = np.zeros(count, dtype=int)
        placed: list[int] = []
        for construct in np.lexsort((-np.arange(count), self.column)):
            causes = self.arrows[:, construct]
            wish = rise * (self.column[construct] % 2) if rise or not causes.any() else rows[causes].mean()
            tried = np.arange(-2 * count, 4 * count)
            free = (np.abs(tried[:, None] - rows[placed]) >= self.least[construct, placed]).all(axis=1)
            away = np.abs(tried - wish) + (tried < wish) * 0.1
            rows[construct] = tried[free][away[free].argmin()]
            placed.append(construct)
        return tuple(rows.tolist())

    def _moves(self, rows: tuple[int, ...], construct: int) -> list[tuple[int, ...]]:
        """Plans in which a box has moved, or changed its row with another, and none covers another."""
        moves = []
        for step in (-3, -2, -1, 1, 2, 3):
            moved = list(rows)
            moved[construct] += step
            moves.append(moved)
        for other, row in enumerate(rows):
            if row != rows[construct] and abs(self.column[other] - self.column[construct]) <= 1:
                moved = list(rows)
                moved[other], moved[construct] = rows[construct], row
                moves.append(moved)
        free = []
        for moved in moves:
            apart = np.abs(np.subtract.outer(moved, moved))
            if (apart >= self.least).all():
                free.append(tuple(moved))
        return free

    def _centers(self, rows: tuple[int, ...]) -> np.ndarray:
        return np.column_stack([self.across, np.array(rows) * self.step])

    def _stand(self, rows: tuple[int, ...]) -> float:
        """What the rows cost by themselves."""
        rows = np.array(rows)
        same = self.column[:, None] == self.column
        swapped = same & np.triu(rows[:, None] < rows)
        causes = self.arrows.sum(axis=0)
        led = causes > 0
        middle = rows @ self.arrows[:, led] / causes[led]
        return (
            _COST["height"] * np.ptp(rows)
            + _COST["too high"] * max(np.ptp(rows) - self.room, 0)
            + _COST["balance"] * np.abs(rows[led] - middle).sum()
            + _COST["order"] * swapped.sum()
        )

    def _whole(self, rows: tuple[int, ...], chosen: np.ndarray) -> _Plan:
        """A plan in which every arrow may take another way."""
        centers = self._centers(rows)
        chosen, curves, cost = self.sheet.route(centers, chosen, range(len(chosen)))
        return _Plan(cost + self._stand(rows) + self.sheet.place(centers, curves)[1], rows, chosen, centers)

    def _glance(self, rows: tuple[int, ...], chosen: np.ndarray, limit: float) -> _Plan:
        """A plan in which only arrows that lost their way take another; labels where it is worth while."""
        centers = self._centers(rows)
        chosen, curves, cost = self.sheet.route(centers, chosen, self.sheet.astray(centers, chosen), rounds=2)
        cost += self._stand(rows)
        if cost < limit + _SLACK:
            cost += self.sheet.place(centers, curves)[1]
        return _Plan(cost, rows, chosen, centers)


def _lowered(rows: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(row - min(rows) for row in rows)


def _ways(shift: np.ndarray, one: np.ndarray, two: np.ndarray, label: float) -> _Ways:
    """Ways from a box at the origin to a box at `shift`, given by half of their sizes; `label` is a label's height."""
    start, end = _AIMS[_START] * one, shift + _AIMS[_END] * two
    across = end - start
    bend = _BENDS[_BEND]
    curves = np.stack(
        [start, (start + end) / 2 + bend[:, None] * np.column_stack([-across[:, 1], across[:, 0]]), end], axis=1
    )
    leaves, enters = _edge(curves, np.zeros(2), one + 1.5), 1 - _edge(curves[:, ::-1], shift, two + 3)
    good = enters > leaves + 0.02
    if not good.any():
        # Boxes over each other: there is no way between them, only from middle to middle.
        good[0], leaves[0], enters[0] = True, 0, 1
    curves, bend = _part(curves[good], leaves[good], enters[good]), bend[good]
    coarse, fine = points_of(curves, _COARSE), points_of(curves, _FINE)
    length = np.linalg.norm(np.diff(fine, axis=1), axis=-1).sum(axis=1)
    first, last = curves[:, 0], curves[:, 2]
    cost = (
        _COST["bend"] * np.abs(bend)
        + _COST["hook"] * np.maximum(np.abs(bend) - 0.25, 0)
        + _COST["aside"] * ((_START[good] > 0) * 1.0 + (_END[good] > 0))
        + _COST["length"] * length
        + _COST["stub"] * (length < 18)
        + _COST["cramped"] * (length < label + 26)
        + _COST["backward"] * ((last[:, 0] < first[:, 0] + 6) | (np.diff(coarse[..., 0], axis=1) < 0).any(axis=1))
        + _COST["behind"] * ((last[:, 0] > shift[0] + 0.6 * two[0]) * 1.0 + (first[:, 0] < -0.6 * one[0]))
    )
    for point, middle, half, ahead in (
        (first, np.zeros(2), one, curves[:, 1] - first),
        (last, shift, two, last - curves[:, 1]),
    ):
        off = np.abs(point - middle) / half
        sideways = off[:, 0] > off[:, 1]
        steep = np.abs(ahead) / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
        cost += _COST["slanting"] * (np.where(sideways, steep[:, 0], steep[:, 1]) < 0.35)
        cost += _COST["corner"] * (np.where(sideways, off[:, 1], off[:, 0]) > 0.85)
    return _Ways(curves, coarse.astype(np.float32), fine.astype(np.float32), fine.min(axis=1), fine.max(axis=1), cost)


def _edge(curves: np.ndarray, center: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Share of the way at which each curve leaves a box for good; NaN for one that ends in it or begins outside."""
    inside = _inside(points_of(curves, _CUTS), center, half)
    last = len(_CUTS) - 1 - inside[:, ::-1].argmax(axis=1)
    leaves = inside.any(axis=1) & (last < len(_CUTS) - 1)
    low = _CUTS[np.minimum(last, len(_CUTS) - 2)]
    high = low + _CUTS[1]
    for _ in range(7):
        middle = (low + high) / 2
        within = _inside(points_of(curves, middle[:, None])[:, 0], center, half)
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return np.where(leaves, high, np.nan)


def _part(curves: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The part of each curve between two shares of its way, by its polar form."""
    shares = ((start, start), (start, end), (end, end))
    points = []
    for one, two in shares:
        one, two = one[:, None], two[:, None]
        points.append(
            (1 - one) * (1 - two) * curves[:, 0]
            + ((1 - one) * two + one * (1 - two)) * curves[:, 1]
            + one * two * curves[:, 2]
        )
    return np.stack(points, axis=1)


def _directions(curves: np.ndarray, share: np.ndarray) -> np.ndarray:
    share = share[:, None]
    start, bend, end = (curves[:, None, place] for place in range(3))
    ahead = (1 - share) * (bend - start) + share * (end - bend)
    return ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)


def _inside(points: np.ndarray, center: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Whether points lie in a box; by coordinates, for a last axis of two is slow."""
    return (np.abs(points[..., 0] - center[..., 0]) < half[..., 0]) & (
        np.abs(points[..., 1] - center[..., 1]) < half[..., 1]
    )


def _between(one: np.ndarray, points: np.ndarray, two: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What curves cost together with others, from their ends and points on them; shape (curves, other curves)."""
    inner = points[:, 1:-1]
    squares = (inner[:, None, :, None, 0] - others[None, :, None, :, 0]) ** 2
    squares += (inner[:, None, :, None, 1] - others[None, :, None, :, 1]) ** 2
    along = (squares.min(axis=-1) < _APART**2).sum(axis=-1)
    # Distances from starts and ends to starts and ends.
    first, second = one[:, None, ::2, None], two[None, :, None, ::2]
    gaps = np.hypot(first[..., 0] - second[..., 0], first[..., 1] - second[..., 1])
    heads, meeting = gaps[..., 1, 1], np.minimum(gaps[..., 0, 1], gaps[..., 1, 0])
    return (
        _COST["crossing"] * _crossings(points, others)
        + _COST["along"] * along
        + _COST["heads"] * ((heads < 8) + 2 * (meeting < 12))
        + _COST["crowded"] * (heads < 10)
        + _COST["tails"] * (gaps[..., 0, 0] < 8)
    )


def _crossings(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """How often polygonal lines cross others, shape (lines, other lines)."""

    def left(lines: np.ndarray, points: np.ndarray) -> np.ndarray:
        ahead = np.diff(lines, axis=1)[:, None, :, None]
        x = points[None, :, None, :, 0] - lines[:, None, :-1, None, 0]
        y = points[None, :, None, :, 1] - lines[:, None, :-1, None, 1]
        return ahead[..., 0] * y < ahead[..., 1] * x

    sides, others = left(one, two), left(two, one).transpose(1, 0, 3, 2)
    both = (sides[..., :-1] ^ sides[..., 1:]) & (others[..., :-1, :] ^ others[..., 1:, :])
    return both.sum(axis=(-2, -1))
