"""How well an extract hides its people: k-anonymity, l-diversity, and the columns that together give them away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems
from crm_utils.errors import did_you_mean
from crm_utils.identify.masking import DIRECT_KINDS, column_kinds
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_THRESHOLDS = (2, 3, 5, 10, 20)


@dataclass(frozen=True)
class KAnonymity:
    """How many rows of an extract look alike.

    Parameters
    ----------
    k : int
        Rows of the smallest class.
    rows : int
        Rows of the extract.
    classes : pandas.DataFrame
        One row a class of rows with the same quasi-identifiers, the smallest first: their values, and rows.
    """

    k: int
    rows: int
    classes: pd.DataFrame

    def summary_frame(self, thresholds: Sequence[int] = _THRESHOLDS) -> pd.DataFrame:
        """Classes and rows that fall below each k.

        Parameters
        ----------
        thresholds : sequence of int, default (2, 3, 5, 10, 20)
            Values of k.

        Returns
        -------
        pandas.DataFrame
            One row a threshold: k, classes_below, rows_below, rows_below_share.
        """
        sizes = self.classes["rows"].to_numpy()
        below = [sizes[sizes < k] for k in thresholds]
        rows_below = np.array([part.sum() for part in below])
        return pd.DataFrame(
            {
                "k": list(thresholds),
                "classes_below": [len(part) for part in below],
                "rows_below": rows_below,
                "rows_below_share": rows_below / self.rows,
            }
        )


@dataclass(frozen=True)
class LDiversity:
    """How much a class of like rows leaves open about a sensitive value.

    Parameters
    ----------
    l : float
        The smallest of the classes; missing where no class has a sensitive value.
    kind : {"distinct", "entropy"}
        How it is counted.
    classes : pandas.DataFrame
        One row a class, the least diverse first: the quasi-identifiers, rows, and l.
    """

    l: float  # noqa: E741 (the name in the literature)
    kind: str
    classes: pd.DataFrame


def class_codes(table: pd.DataFrame, columns: Iterable[str]) -> np.ndarray:
    """Number the classes of rows with equal values; missing values are equal to each other.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table.
    columns : iterable of str
        Columns that must be equal. With none, all rows are one class.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Number of each row's class, from 0, in the order of first appearance.

    Examples
    --------
    >>> class_codes(pd.DataFrame({"a": [1, 1, None, None], "b": list("xyzz")}), ["a", "b"])
    array([0, 1, 2, 2])
    """
    codes = np.zeros(len(table), dtype=np.int64)
    for column in columns:
        part, distinct = pd.factorize(table[column])
        codes, _ = pd.factorize(codes * (len(distinct) + 1) + part + 1)
    return codes


def k_anonymity(extract: pd.DataFrame, quasi_identifiers: Sequence[str]) -> KAnonymity:
    """Find the smallest group of rows that cannot be told apart by what an outsider may know.

    Parameters
    ----------
    extract : pandas.DataFrame
        Rows that are to be released, one a person.
    quasi_identifiers : sequence of str
        Columns that an outsider may know of a person from elsewhere, such as birth date, postcode, gender.

    Returns
    -------
    KAnonymity
        k, the classes, and `summary_frame`.

    Raises
    ------
    ParameterError
        If the extract has no rows, or no quasi-identifier is named or one is not a column.

    Notes
    -----
    An extract is k-anonymous when each row is like at least k − 1 others in its quasi-identifiers [1]_. A missing
    value is a value of its own: an outsider may know whose postcode is missing. k counts rows: where a person has
    several, count people first.

    References
    ----------
    .. [1] Sweeney, L. (2002). k-anonymity: a model for protecting privacy. International Journal of Uncertainty,
       Fuzziness and Knowledge-Based Systems 10(5), 557-570, definition 3.

    Examples
    --------
    >>> extract = pd.DataFrame({"gender": ["f", "f", "m", "m", "m"], "born": [1965, 1965, 1964, 1964, 1967]})
    >>> k_anonymity(extract, ["gender"]).k, k_anonymity(extract, ["gender", "born"]).k
    (2, 1)
    """
    columns = list(quasi_identifiers)
    raise_problems("k_anonymity", _problems(extract, columns))
    codes = class_codes(extract, columns)
    sizes = np.bincount(codes)
    classes = _one_row_a_class(extract, columns, codes)
    classes["rows"] = sizes
    classes = classes.sort_values("rows", kind="stable", ignore_index=True)
    return KAnonymity(int(sizes.min()), len(extract), classes)


def l_diversity(
    extract: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    sensitive: str,
    *,
    kind: Literal["distinct", "entropy"] = "distinct",
) -> LDiversity:
    """Find the class of like rows that gives most away about a sensitive value.

    Parameters
    ----------
    extract : pandas.DataFrame
        Rows that are to be released, one a person.
    quasi_identifiers : sequence of str
        Columns that an outsider may know.
    sensitive : str
        Column that nobody should learn of a person.
    kind : {"distinct", "entropy"}, default "distinct"
        Number of distinct values in a class; or the exponential of their entropy, which a frequent value lowers: a
        class with equal shares of l values has entropy l-diversity l.

    Returns
    -------
    LDiversity
        l, and the classes.

    Raises
    ------
    ParameterError
        If the extract has no rows, a column is absent, `sensitive` is a quasi-identifier, or `kind` is unknown.

    Notes
    -----
    In a class whose members all share one disease, k-anonymity hides who is who and protects nobody [1]_. A missing
    sensitive value is no value: it does not make a class more diverse. A class without any has l missing.

    References
    ----------
    .. [1] Machanavajjhala, A., Kifer, D., Gehrke, J. & Venkitasubramaniam, M. (2007). l-diversity: privacy beyond
       k-anonymity. ACM Transactions on Knowledge Discovery from Data 1(1), article 3, definitions 4.1 and 4.2.

    Examples
    --------
    >>> extract = pd.DataFrame({"postcode": ["130**"] * 4 + ["148**"] * 4,
    ...                         "disease": ["cancer"] * 4 + ["cancer", "heart", "virus", "virus"]})
    >>> l_diversity(extract, ["postcode"], "disease").l
    1.0
    """
    columns = list(quasi_identifiers)
    problems = _problems(extract, columns)
    if sensitive not in extract.columns:
        problems.append(_not_a_column(sensitive, extract))
    if sensitive in columns:
        problems.append(f"{sensitive!r} is both sensitive and a quasi-identifier; it can be one of them")
    if kind not in ("distinct", "entropy"):
        problems.append(f"kind must be 'distinct' or 'entropy', and is {kind!r}")
    raise_problems("l_diversity", problems)
    codes = class_codes(extract, columns)
    diversity = class_diversity(codes, extract[sensitive], kind)
    classes = _one_row_a_class(extract, columns, codes)
    classes["rows"] = np.bincount(codes)
    classes["l"] = diversity
    smallest = float(np.nanmin(diversity)) if np.isfinite(diversity).any() else np.nan
    return LDiversity(smallest, kind, classes.sort_values(["l", "rows"], kind="stable", ignore_index=True))


def class_diversity(codes: np.ndarray, sensitive: pd.Series, kind: str) -> np.ndarray:
    """Diversity of the sensitive values in each class.

    Parameters
    ----------
    codes : numpy.ndarray of int, shape (n,)
        Class of each row, as `class_codes` numbers them.
    sensitive : pandas.Series, shape (n,)
        Sensitive value of each row.
    kind : {"distinct", "entropy"}
        As for `l_diversity`.

    Returns
    -------
    numpy.ndarray of float, shape (classes,)
        Diversity by class; missing for a class without a value.
    """
    value, _ = pd.factorize(sensitive)
    known = value >= 0
    n_classes, width = codes.max() + 1, value.max(initial=0) + 1
    pairs, counts = np.unique(codes[known] * width + value[known], return_counts=True)
    of_class = pairs // width
    if kind == "distinct":
        diversity = np.bincount(of_class, minlength=n_classes).astype(float)
    else:
        totals = np.bincount(codes[known], minlength=n_classes)
        share = counts / totals[of_class]
        diversity = np.exp(np.bincount(of_class, weights=-share * np.log(share), minlength=n_classes))
    diversity[np.bincount(codes[known], minlength=n_classes) == 0] = np.nan
    return diversity


def quasi_identifiers(
    table: pd.DataFrame, *, columns: Sequence[str] | None = None, kinds: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """List the columns by how much they help to single people out, alone and together.

    Parameters
    ----------
    table : pandas.DataFrame
        Any table, one row a person.
    columns : sequence of str, optional
        Columns to try. Default: all that do not name or reach a person directly and are no fractional measures.
    kinds : mapping of str to str, optional
        What columns hold, where their names do not say it; as for `column_kinds`.

    Returns
    -------
    pandas.DataFrame
        One row a column, in greedy order: each is the one that, with those above it, leaves the most rows unique;
        among equals the one with more distinct values, then the order of the columns. column, kind, values (distinct
        ones, a missing value being one), unique_alone_share (rows that no other row equals in this column),
        unique_together_share (in this column and all above).

    Raises
    ------
    ParameterError
        If the table has no rows, or a column is absent.

    Notes
    -----
    Three harmless columns, birth date, gender and postcode, single out most people of a country [1]_. The greedy order
    is not always the best subset of each size.

    References
    ----------
    .. [1] Sweeney, L. (2000). Simple demographics often identify people uniquely. Carnegie Mellon University, Data
       Privacy Working Paper 3.

    Examples
    --------
    >>> people = pd.DataFrame({"name": list("abcd"), "gender": list("ffmm"), "birth_year": [1990, 1990, 1991, 1992]})
    >>> quasi_identifiers(people)
           column      kind  values  unique_alone_share  unique_together_share
    0  birth_year     plain       3                 0.5                    0.5
    1      gender  category       2                 0.0                    0.5
    """
    kind_of = column_kinds(table, kinds)
    if columns is None:
        columns = [
            name
            for name, kind in kind_of.items()
            if kind not in DIRECT_KINDS and not pd.api.types.is_float_dtype(table[name])
        ]
        if not columns:
            raise_problems("quasi_identifiers", ["no column is left that is not a direct identifier; name columns"])
    raise_problems("quasi_identifiers", _problems(table, list(columns)))
    codes = {name: class_codes(table, [name]) for name in columns}
    alone = {name: _unique_rows(code) for name, code in codes.items()}
    together, rows = np.zeros(len(table), dtype=np.int64), []
    left = sorted(codes, key=lambda name: -int(codes[name].max()))  # more values first, for ties
    while left:
        combined = {name: pd.factorize(together * (codes[name].max() + 1) + codes[name])[0] for name in left}
        best = max(left, key=lambda name: _unique_rows(combined[name]))
        together = combined[best]
        rows.append((best, kind_of[best], int(codes[best].max()) + 1, alone[best], _unique_rows(together)))
        left.remove(best)
    found = pd.DataFrame(rows, columns=["column", "kind", "values", "unique_alone_share", "unique_together_share"])
    shares = ["unique_alone_share", "unique_together_share"]
    return found.assign(**{name: found[name] / len(table) for name in shares})


def plot_quasi_identifiers(found: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how each further column singles out more rows.

    Parameters
    ----------
    found : pandas.DataFrame
        Result of `quasi_identifiers`, which is also the figure's table.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    ax = new_axes(ax, figsize=(7.2, 0.45 * len(found) + 1.3))
    rows = np.arange(len(found))
    together, alone = found["unique_together_share"].to_numpy(), found["unique_alone_share"].to_numpy()
    ax.barh(rows, together, height=0.62, color=PALETTE[0])
    label = tr("{share:.1%} (alone {alone:.1%})")
    texts = [label.format(share=share, alone=one) for share, one in zip(together, alone, strict=True)]
    for row, (share, text) in enumerate(zip(together, texts, strict=True)):
        ax.annotate(text, (share, row), (6, 0), textcoords="offset points", va="center")
    names = [f"+ {name}" if row else str(name) for row, name in enumerate(found["column"])]
    ax.set_yticks(rows, names, parse_math=False)
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.set_xlim(0, 1.35)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(tr("Rows that no other row equals"))
    ax.set_title(tr("Columns that single people out, each with those above it"))
    shown = "; ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    text = tr("Share of rows that are unique as columns are added one by one: {shown}.")
    return describe(ax, text.format(shown=shown))


def _unique_rows(codes: np.ndarray) -> int:
    """Rows that are alone in their class."""
    return int(np.sum(np.bincount(codes) == 1))


def _one_row_a_class(extract: pd.DataFrame, columns: list[str], codes: np.ndarray) -> pd.DataFrame:
    """Values of each class; classes are numbered in the order of first appearance."""
    first = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
    return extract[columns].iloc[first].reset_index(drop=True)


def _problems(table: pd.DataFrame, columns: list[str]) -> list[str]:
    problems = [_not_a_column(name, table) for name in columns if name not in table.columns]
    if not columns:
        problems.append("no quasi-identifier is named; without one nothing would be checked")
    if repeated := sorted({str(name) for name in columns if columns.count(name) > 1}):
        problems.append(f"named twice: {', '.join(repeated)}")
    if not len(table):
        problems.append("there are no rows")
    return problems


def _not_a_column(name: object, table: pd.DataFrame) -> str:
    hint = did_you_mean(name, table.columns, otherwise=f"; there are: {', '.join(map(str, table.columns))}")
    return f"{name!r} is not a column{hint}"
