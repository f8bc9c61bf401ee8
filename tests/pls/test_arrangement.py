"""Places in a path diagram: geometry against brute force, and what every diagram must keep."""

import itertools

import numpy as np
import pytest

from crm_utils.pls import arrangement
from crm_utils.pls.arrangement import _crossings, _edge, _part, arrange, columns, points_of

BOX, LABEL = np.array([74.0, 40.0]), np.array([50.0, 24.0])
FAN = [(0, 3), (1, 3), (2, 3)]
CHAIN = [(0, 1), (1, 2), (2, 3)]
SCSB = [(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)]
DENSE = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 5)]


def matrix(pairs):
    arrows = np.zeros((max(map(max, pairs)) + 1,) * 2, dtype=bool)
    arrows[tuple(zip(*pairs, strict=True))] = True
    return arrows


def led(arrows):
    """Constructs that are led to; in these models a cause has a lower number than its effect."""
    return [int(number) for number in np.flatnonzero(arrows.any(axis=0))]


def placed(pairs, *, width=514.0, height=np.inf, label=LABEL):
    arrows = matrix(pairs)
    return arrange(
        arrows, led(arrows), np.tile(BOX, (len(arrows), 1)), np.tile(label, (len(pairs), 1)), width=width, height=height
    )


def inside(points, center, half):
    return (np.abs(points - center) < half).all(axis=-1)


def meet(one, two):
    """Whether two segments cross, from the linear system of their lines."""
    system = np.column_stack([one[1] - one[0], two[0] - two[1]])
    if abs(np.linalg.det(system)) < 1e-12:
        return False
    shares = np.linalg.solve(system, two[0] - one[0])
    return bool(((shares > 0) & (shares < 1)).all())


def count_crossings(curves):
    lines = points_of(curves, np.linspace(0, 1, 60))
    pairs = itertools.combinations(lines, 2)
    return sum(
        meet(first, second)
        for one, two in pairs
        for first in itertools.pairwise(one)
        for second in itertools.pairwise(two)
        if (np.abs(first[0] - second[0]) < 20).all()
    )


def test_columns_against_every_way():
    """A construct's column is the length of the longest way to it; causes without cause stand before their effects."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        arrows = np.triu(rng.random((8, 8)) < 0.3, 1)
        arrows[np.flatnonzero(~arrows.any(axis=1) & ~arrows.any(axis=0)), -1] = True
        arrows[-1, -1] = False
        ways = [np.linalg.matrix_power(arrows.astype(int), length) for length in range(8)]
        longest = np.max([length * (way.sum(axis=0) > 0) for length, way in enumerate(ways)], axis=0)
        found = columns(arrows, led(arrows))
        effects = arrows.any(axis=0)
        assert (found[effects] == longest[effects]).all()
        for cause in np.flatnonzero(~effects & arrows.any(axis=1)):
            assert found[cause] == longest[arrows[cause]].min() - 1


def test_columns_do_not_depend_on_the_order_of_constructs():
    arrows = matrix(SCSB)
    turned = arrows[::-1, ::-1]
    assert columns(turned, led(arrows[::-1, ::-1])[::-1])[::-1].tolist() == columns(arrows, led(arrows)).tolist()


def test_crossings_against_linear_systems():
    rng = np.random.default_rng(7)
    one, two = rng.random((6, 4, 2)), rng.random((5, 7, 2))
    expected = [
        [
            sum(meet(first, second) for first in itertools.pairwise(line) for second in itertools.pairwise(other))
            for other in two
        ]
        for line in one
    ]
    assert sum(map(sum, expected)) > 20
    assert _crossings(one, two).tolist() == expected


def test_parts_of_curves_lie_on_them():
    rng = np.random.default_rng(7)
    curves = rng.random((5, 3, 2))
    start, end = rng.random(5) * 0.4, 0.6 + rng.random(5) * 0.4
    share = np.linspace(0, 1, 9)
    parts = points_of(_part(curves, start, end), share)
    for curve, part, low, high in zip(curves, parts, start, end, strict=True):
        assert part == pytest.approx(points_of(curve, low + (high - low) * share))


def test_curves_are_cut_where_they_leave_the_box():
    curves = np.array(
        [[[0, 0], [50, 60], [200, 0]], [[0, 0], [0, 40], [0, 90]], [[0, 0], [5, 5], [10, 0]]], dtype=float
    )
    half = np.array([40.0, 20.0])
    share = np.linspace(0, 1, 100_001)
    leaves = _edge(curves, np.zeros(2), half)
    for curve, found in zip(curves[:2], leaves[:2], strict=True):
        dense = share[inside(points_of(curve, share), 0, half)].max()
        assert found == pytest.approx(dense, abs=5e-4)
    assert np.isnan(leaves[2])


def test_a_chain_is_level_and_an_effect_stands_in_the_middle_of_its_causes():
    chain = placed(CHAIN)
    assert np.ptp(chain.centers[:, 1]) == 0
    assert (np.diff(chain.centers[:, 0]) > BOX[0]).all()
    fan = placed(FAN)
    assert fan.centers[3, 1] == pytest.approx(fan.centers[:3, 1].mean())
    # The first construct of a column stands on top.
    assert (np.diff(fan.centers[:3, 1]) < 0).all()


@pytest.mark.parametrize("pairs", [FAN, CHAIN, SCSB, DENSE])
def test_a_diagram_can_be_read(pairs):
    found, half = placed(pairs), BOX / 2
    share = np.linspace(0, 1, 200)
    for (start, end), curve in zip(pairs, found.curves, strict=True):
        line = points_of(curve, share)
        assert found.centers[end, 0] > found.centers[start, 0]
        assert curve[2, 0] > curve[0, 0]
        # From the edge of one box to the edge of the other, and through none.
        for point, construct, gap in ((line[0], start, 1.5), (line[-1], end, 3)):
            beyond = (np.abs(point - found.centers[construct]) - half).max()
            assert beyond == pytest.approx(gap, abs=1.5)
        assert not inside(line[:, None], found.centers, half).any()
    for one, two in itertools.combinations(range(len(found.centers)), 2):
        assert (np.abs(found.centers[one] - found.centers[two]) >= BOX).any()
    for one, two in itertools.combinations(range(len(pairs)), 2):
        assert (np.abs(found.labels[one] - found.labels[two]) >= LABEL).any()
    for label in found.labels:
        assert not inside(label, found.centers, half + LABEL / 2).any()
    everything = np.concatenate([found.centers - half, found.labels - LABEL / 2])
    assert (everything >= 0).all()
    assert (np.concatenate([found.centers + half, found.labels + LABEL / 2]) <= found.size).all()
    assert found.size[0] <= 514


@pytest.mark.parametrize(("pairs", "most"), [(FAN, 0), (CHAIN, 0), (SCSB, 0), (DENSE, 1)])
def test_there_are_few_crossings(pairs, most):
    assert count_crossings(placed(pairs).curves) <= most


def test_labels_lie_on_their_own_arrows_or_beside_them():
    found = placed(DENSE)
    share = np.linspace(0, 1, 200)
    reach = LABEL / 2 + 4
    for label, curve in zip(found.labels, found.curves, strict=True):
        assert inside(points_of(curve, share), label, reach).any()
    lines = points_of(found.curves, share)
    for number, label in enumerate(found.labels):
        others = np.delete(lines, number, axis=0)
        assert not inside(others, label, LABEL / 2).any()


def test_little_room_makes_it_flat():
    free, flat = placed(DENSE), placed(DENSE, height=150)
    assert free.size[1] > 150
    assert flat.size[1] <= 150.5
    assert placed(CHAIN, height=20).size[1] == placed(CHAIN).size[1]


def test_narrow_columns_keep_their_order():
    found = placed(SCSB, width=100)
    assert (np.diff(found.centers[:, 0]) >= BOX[0] / 2 - 1e-9).all()
    assert found.size[0] > 100


def test_the_same_sizes_give_the_same_places():
    first = placed(SCSB)
    arrangement._arranged.cache_clear()
    for one, two in zip(first, placed(SCSB), strict=True):
        assert (one == two).all()


def test_small_labels_need_less_height():
    assert placed(FAN, label=np.array([22.0, 12.0])).size[1] < placed(FAN).size[1]


def test_the_input_stays_as_it_was():
    arrows = matrix(SCSB)
    boxes, labels = np.tile(BOX, (5, 1)), np.tile(LABEL, (6, 1))
    copies = [each.copy() for each in (arrows, boxes, labels)]
    arrange(arrows, led(arrows), boxes, labels, width=514)
    for one, two in zip((arrows, boxes, labels), copies, strict=True):
        assert (one == two).all()
