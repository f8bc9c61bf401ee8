"""How well different measures of satisfaction see the same change: the index beside single questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_utils.checks import level_problems, raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.intervals import percentile_interval
from crm_utils.language import tr
from crm_utils.pls import PathBootstrap
from crm_utils.satisfaction.index import Scale, respondent_indices

_WHERE = "compare_measures"


def compare_measures(
    bootstrap: PathBootstrap,
    measures: Mapping[str, Any],
    *,
    construct: str = "satisfaction",
    scale: Scale = (1, 10),
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Hold measures against what the construct follows from, and say how many answers each needs.

    What the model predicts of the construct from its causes shares no item, and so no error, with any measure of it.
    The correlation r of a measure with it tells how much of what the measure records is satisfaction and how much is
    noise: to see the same change of the causes, a measure needs answers in proportion to :math:`1/r^2` (Cohen [1]_: the
    effect is r times the change, in standard deviations of the measure).

    Parameters
    ----------
    bootstrap : PathBootstrap
        Replicates of the model.
    measures : mapping of str to array-like, one a row of the data given to fit
        Values by name, such as `nps_points` or 1 for a top-two answer; missing where there is none.
    construct : str, default "satisfaction"
        Construct that is measured; paths must lead to it.
    scale : (float, float) or mapping
        As in `index_scores`, for the index of each respondent.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        By measure, the index first: ``correlation`` with ``low``, ``high``; ``answers_needed``, as many times as the
        index needs, with ``answers_low``, ``answers_high``. NaN for a measure that does not vary.

    Raises
    ------
    ParameterError
        If the construct is not known or nothing leads to it, or a measure does not fit the data.

    Notes
    -----
    The weights of the items are those of all answers; replicates draw respondents.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences. Erlbaum, chapter 2.

    Examples
    --------
    >>> from crm_utils.pls import PathModel
    >>> rng = np.random.default_rng(7)
    >>> quality = rng.normal(size=500)
    >>> mood = 0.7 * quality + 0.7 * rng.normal(size=500)
    >>> items = np.clip(np.c_[quality, mood, mood] + 6 + 0.5 * rng.normal(size=(500, 3)), 1, 10)
    >>> model = PathModel({"quality": ["q"], "satisfaction": ["s1", "s2"]}, [("quality", "satisfaction")])
    >>> bootstrap = model.fit(pd.DataFrame(items, columns=["q", "s1", "s2"])).bootstrap(200, seed=7)
    >>> found = compare_measures(bootstrap, {"top": items[:, 1] > 7})
    >>> found["answers_needed"].round(1).to_dict()
    {'index': 1.0, 'top': 2.6}
    """
    results = bootstrap.results
    layout = results.model.layout()
    problems = level_problems(level)
    if construct not in layout.constructs:
        hint = did_you_mean(construct, layout.constructs)
        problems.append(f"construct must be one of {', '.join(layout.constructs)}, and is {construct!r}{hint}")
    elif not len(layout.sources(layout.constructs.index(construct))):
        problems.append(f"nothing leads to {construct}, so that nothing is predicted of it; choose another construct")
    if "index" in measures:
        problems.append("measures must have other names than 'index', which is that of the construct")
    rows = len(results.cases.kept)
    values = {}
    for name, given in measures.items():
        try:
            values[name] = pd.Series(np.asarray(given)).to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            problems.append(f"{name} must be numbers, or true and false")
            continue
        if values[name].shape != (rows,):
            problems.append(f"{name} must have one value for each of the {rows:,} rows of the data given to fit")
    raise_problems(_WHERE, problems)

    cases = results.cases.counted()
    people = respondent_indices(results, scale=scale)[construct].to_numpy()[results.cases.weights > 0]
    table = np.column_stack([people, *(given[cases.kept] for given in values.values())])
    predicted = _predicted(bootstrap, construct)
    estimate = _correlations(table, predicted, cases.weights[None])[0]
    drawn = np.vstack([_correlations(table, predicted, masses) for _, masses in bootstrap.masses()])[bootstrap.usable]
    names = pd.Index(["index", *values], name="measure")
    found = pd.DataFrame({"correlation": estimate}, names)
    found["low"], found["high"] = percentile_interval(drawn, level=level)
    found["answers_needed"] = (estimate[0] / estimate) ** 2
    found["answers_low"], found["answers_high"] = percentile_interval((drawn[:, :1] / drawn) ** 2, level=level)
    return found


def measures_text(found: pd.DataFrame) -> str:
    """Say which measure needs the most answers beside the index, and whether that is more than chance.

    Parameters
    ----------
    found : pandas.DataFrame
        From `compare_measures`.

    Returns
    -------
    str
        One sentence.

    Examples
    --------
    >>> needed = {"answers_needed": [1, 2.6], "answers_low": [1, 2.1], "answers_high": [1, 3.3]}
    >>> measures_text(pd.DataFrame(needed, ["index", "top"]))
    'To see the same change, top needs 2.6 times the answers that the index needs (2.1 to 3.3).'
    """
    needed = found["answers_needed"].drop("index").dropna()
    if needed.empty:
        return tr("There is no other measure that varies, and so none to hold against the index.")
    dear = needed.idxmax()
    times, low, high = found.loc[dear, ["answers_needed", "answers_low", "answers_high"]]
    template = tr("To see the same change, {name} needs {times:.1f} times the answers that the index needs ({ends}).")
    if not low > 1:
        template = tr(
            "No measure is shown to need more answers than the index; {name} comes nearest, with {times:.1f} times as "
            "many ({ends})."
        )
    ends = tr("{low:.1f} to {high:.1f}").format(low=low, high=high)
    return template.format(name=dear, times=times, ends=ends)


def _predicted(bootstrap: PathBootstrap, construct: str) -> np.ndarray:
    """What the causes predict of a construct, one value a case that counts."""
    results = bootstrap.results
    sources = list(results.model.predecessors(construct))
    scores = results.scores.loc[:, sources].to_numpy()[results.cases.weights > 0]
    return scores @ results.paths.xs(construct, level="to")[sources].to_numpy()


def _correlations(table: np.ndarray, predicted: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Correlation of each column, where it is known, with the prediction; shape (replicates, columns)."""
    columns = []
    for values in table.T:
        known = np.isfinite(values)
        mass = masses[:, known] / masses[:, known].sum(axis=1, keepdims=True)
        pair = np.column_stack([values[known] - values[known].mean(), predicted[known]])
        means, squares, crossed = mass @ pair, mass @ pair**2, mass @ pair.prod(axis=1)
        # What is left of a measure that does not vary is rounding.
        varies = squares - means**2 > 1e-12 * squares.max(axis=0)
        spreads = np.sqrt(np.where(varies, squares - means**2, np.nan))
        columns.append((crossed - means.prod(axis=1)) / spreads.prod(axis=1))
    return np.column_stack(columns)
