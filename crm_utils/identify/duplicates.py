"""What duplicates hide: customers counted twice, letters sent twice, opt-outs ignored, wrong classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_utils.checks import customer_problems, level_problems, missing_columns, raise_problems
from crm_utils.identify.clusters import connected
from crm_utils.identify.evaluation import person_of_record
from crm_utils.intervals import wilson
from crm_utils.language import tr
from crm_utils.plotting import PALETTE, describe, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = ("records", "same contact", "linked", "truth")


def count_customers(
    records: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    truth: pd.DataFrame | None = None,
    contact: Sequence[str] = ("phone", "email"),
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
    truth_col: str = "true_customer_id",
) -> pd.DataFrame:
    """How many customers we think we have: by record, by shared contact, by linkage, and in truth.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a record; with ``source``, each system is counted too.
    clusters : pandas.DataFrame
        One row a record: record and cluster.
    truth : pandas.DataFrame, optional
        One row a record: record and person.
    contact : sequence of str, default ("phone", "email")
        Columns of the naive rule: records that share a value of any of them, over however many steps, are one customer.
        Compared as they stand, but for blanks around and upper case; normalise them first for a stronger rule. Columns
        that are absent are skipped.
    id_col, cluster_col, truth_col : str
        Columns of record (in all tables), cluster and person.

    Returns
    -------
    pandas.DataFrame
        One row a way of counting, of `WAYS`, and source (empty: all): ``way``, ``source``, ``records``,
        ``customers``, ``superfluous_records`` (records − customers) and ``superfluous_share``. ``attrs["notes"]`` says
        what could not be counted; customers are then NaN.

    Raises
    ------
    ParameterError
        If columns are missing or a record repeats or has no cluster.

    Examples
    --------
    >>> records = pd.DataFrame({"record_id": list("abcd"), "source": ["web", "web", "store", "store"],
    ...                         "phone": ["1", "1", "2", "3"]})
    >>> clusters = pd.DataFrame({"record_id": list("abcd"), "cluster_id": ["a", "a", "a", "d"]})
    >>> count_customers(records, clusters)[["way", "source", "customers"]]
                way source  customers
    0       records                 4
    1       records  store          2
    2       records    web          2
    3  same contact                 3
    4        linked                 2
    5        linked  store          2
    6        linked    web          1
    """
    cluster = _cluster_of(records, clusters, id_col=id_col, cluster_col=cluster_col, where="count_customers")
    notes = []
    rows = [*_counted("records", records, pd.Series(np.arange(len(records))))]
    columns = [column for column in contact if column in records]
    if columns:
        rows += _counted("same contact", records, _same_contact(records, columns))[:1]
    else:
        notes.append(tr("The records have none of the columns {columns}.").format(columns=", ".join(contact)))
    rows += _counted("linked", records, cluster)
    if truth is not None:
        person = person_of_record(truth, id_col=id_col, truth_col=truth_col, where="count_customers")
        known = records[id_col].map(person).reset_index(drop=True)
        if missing := int(known.isna().sum()):
            notes.append(tr("The true person of {missing:,} records is not known.").format(missing=missing))
        rows += _counted("truth", records, known)
    table = pd.DataFrame(rows, columns=["way", "source", "records", "customers"])
    table["superfluous_records"] = table["records"] - table["customers"]
    table["superfluous_share"] = table["superfluous_records"] / table["records"].where(table["records"] > 0)
    table.attrs["notes"] = tuple(notes)
    return table


def plot_customer_counts(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many customers each way of counting finds.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of `count_customers`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with alternative text attached.
    """
    raise_problems("plot_customer_counts", missing_columns(table, ("way", "source", "customers"), "table"))
    words = {
        "records": tr("every record a customer"),
        "same contact": tr("same phone or e-mail"),
        "linked": tr("linked records"),
        "truth": tr("in truth"),
    }
    shown = table[(table["source"] == "") & table["customers"].notna()]
    labels = [words[way] for way in shown["way"]]
    ax = new_axes(ax, figsize=(7.2, 0.9 + 0.45 * len(shown)))
    colours = [PALETTE[2] if way == "truth" else PALETTE[0] for way in shown["way"]]
    bars = ax.barh(labels, shown["customers"], color=colours)
    ax.bar_label(bars, [f"{count:,.0f}" for count in shown["customers"]], padding=4)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(visible=False)
    ax.xaxis.set_visible(False)
    ax.spines["bottom"].set_visible(False)
    ax.set_title(tr("How many customers do we have?"))
    text = "; ".join(f"{label} {count:,.0f}" for label, count in zip(labels, shown["customers"], strict=True))
    return describe(ax, tr("Bars of the number of customers by way of counting: {text}.").format(text=text))


def letters_table(
    records: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    address_col: str = "address",
    consent_col: str = "may_contact",
    level: float = 0.95,
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
) -> pd.DataFrame:
    """What one mailing to all records does: letters sent twice, and letters to people who had opted out.

    A letter goes to each record that has an address and does not itself say no. A person has opted out if any record
    says no, and then a letter to another of their records is against their will.

    Parameters
    ----------
    records : pandas.DataFrame
        One row a record, with the column of the address, and of consent (yes, no or blank) where there is one.
    clusters : pandas.DataFrame
        One row a record: record and cluster, which is taken as the person.
    address_col, consent_col : str
        Columns of `records`. A record without an address gets no letter; without the column every record gets one.
    level : float, default 0.95
        Confidence level of Wilson's intervals, between 0 and 1. They take letters, or people, as independent draws.
    id_col, cluster_col : str
        Columns of record and cluster.

    Returns
    -------
    pandas.DataFrame
        One row a measure: ``measure`` (key), ``meaning`` (words), ``count``, ``of`` (what the share refers to),
        ``share``, ``low_share``, ``high_share``. The measures are ``letters``, ``people_written_to``,
        ``people_with_two_or_more``, ``superfluous_letters``, ``people_opted_out``, ``contradictory_people`` (opted out
        in one record, permission in another), ``letters_against_will``, ``people_against_will``. Counts are NaN where
        the records do not know consent; ``attrs["notes"]`` says so.

    Raises
    ------
    ParameterError
        If columns are missing, a record repeats or has no cluster, or consent is not yes, no or blank.

    Examples
    --------
    >>> records = pd.DataFrame({"record_id": list("abcd"), "address": ["x", "x", "y", None],
    ...                         "may_contact": [True, True, True, False]})
    >>> clusters = pd.DataFrame({"record_id": list("abcd"), "cluster_id": ["a", "a", "c", "c"]})
    >>> letters_table(records, clusters)[["measure", "count", "of"]]
                       measure  count   of
    0                  letters    3.0  NaN
    1        people_written_to    2.0  2.0
    2  people_with_two_or_more    1.0  2.0
    3      superfluous_letters    1.0  3.0
    4         people_opted_out    1.0  2.0
    5     contradictory_people    1.0  1.0
    6     letters_against_will    1.0  3.0
    7      people_against_will    1.0  2.0
    """
    problems = level_problems(level)
    consent = _consent(records, consent_col, problems)
    raise_problems("letters_table", problems)
    person = _cluster_of(records, clusters, id_col=id_col, cluster_col=cluster_col, where="letters_table")
    notes = []
    if address_col in records:
        reachable = records[address_col].notna().to_numpy() & (records[address_col].astype("str") != "").to_numpy()
    else:
        reachable = np.ones(len(records), dtype=bool)
        notes.append(tr("The records have no column {column}: each gets a letter.").format(column=address_col))
    by_record = pd.DataFrame(
        {"letter": reachable & (consent != "no"), "no": consent == "no", "yes": consent == "yes"}
    ).astype("int64")
    people = by_record.groupby(person.to_numpy()).sum()
    letters, written = int(people["letter"].sum()), people["letter"] > 0
    opted_out, contradictory = people["no"] > 0, (people["no"] > 0) & (people["yes"] > 0)
    rows = [
        ("letters", tr("letters sent"), letters, np.nan),
        ("people_written_to", tr("people written to, of all people"), written.sum(), len(people)),
        (
            "people_with_two_or_more",
            tr("people with two or more letters, of those written to"),
            (people["letter"] > 1).sum(),
            written.sum(),
        ),
        ("superfluous_letters", tr("superfluous letters, of all letters"), letters - written.sum(), letters),
        ("people_opted_out", tr("people who opted out somewhere, of all people"), opted_out.sum(), len(people)),
        (
            "contradictory_people",
            tr("people with a no in one record and a yes in another, of those who opted out"),
            contradictory.sum(),
            opted_out.sum(),
        ),
        (
            "letters_against_will",
            tr("letters to people who had opted out, of all letters"),
            people.loc[opted_out, "letter"].sum(),
            letters,
        ),
        (
            "people_against_will",
            tr("people written to who had opted out, of those written to"),
            (written & opted_out).sum(),
            written.sum(),
        ),
    ]
    table = pd.DataFrame(rows, columns=["measure", "meaning", "count", "of"]).astype({"count": float, "of": float})
    if consent_col not in records:
        unknown = table["measure"].isin([row[0] for row in rows[4:]])
        table.loc[unknown, ["count", "of"]] = np.nan
        notes.append(tr("The records have no column {column}: opt-outs are not known.").format(column=consent_col))
    table["share"] = table["count"] / table["of"].where(table["of"] > 0)
    trials = table["of"].fillna(0)
    table["low_share"], table["high_share"] = wilson(table["count"].fillna(0), trials, level=level)
    table.attrs["notes"] = tuple(notes)
    return table


def merged_lines(
    lines: pd.DataFrame,
    clusters: pd.DataFrame | None = None,
    *,
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
    customer_col: str = "customer_id",
) -> pd.DataFrame:
    """Order lines by the customer that linkage finds, or by the record, so that both can be summarised and compared.

    Parameters
    ----------
    lines : pandas.DataFrame
        Order lines with the record under which the system booked each.
    clusters : pandas.DataFrame, optional
        One row a record: record and cluster. Without it, every record is a customer: the view before linkage.
    id_col, cluster_col, customer_col : str
        Columns of record (in both tables), cluster, and customer (written).

    Returns
    -------
    pandas.DataFrame
        The lines with a known record, in their order, with `customer_col` set to the cluster (or the record).
        ``attrs["left_out"]`` counts the lines without a record, ``attrs["unknown_records"]`` those whose record is in
        no cluster; both are left out.

    Raises
    ------
    ParameterError
        If columns are missing, a record repeats in `clusters`, or a record has no cluster.

    Examples
    --------
    >>> lines = pd.DataFrame({"order_id": [1, 2, 3], "record_id": ["a", "b", None], "amount": [5.0, 7.0, 9.0]})
    >>> clusters = pd.DataFrame({"record_id": ["a", "b"], "cluster_id": ["a", "a"]})
    >>> merged_lines(lines, clusters)[["order_id", "customer_id"]]
       order_id customer_id
    0         1           a
    1         2           a
    """
    problems = missing_columns(lines, (id_col,), "lines")
    if clusters is not None:
        problems += _cluster_problems(clusters, id_col, cluster_col)
    raise_problems("merged_lines", problems)
    booked = lines[id_col].notna()
    customer = lines[id_col] if clusters is None else lines[id_col].map(clusters.set_index(id_col)[cluster_col])
    kept = booked & customer.notna()
    result = lines[kept].assign(**{customer_col: customer[kept]}).reset_index(drop=True)
    result.attrs = {
        **lines.attrs,
        "left_out": int((~booked).sum()),
        "unknown_records": int((booked & ~kept).sum()),
    }
    return result


@dataclass(frozen=True)
class ClassChanges:
    """Classes before linkage, one a record, against classes after it, one a customer.

    Parameters
    ----------
    cross : pandas.DataFrame
        Number of records by class before (rows) and class of their customer after (columns).
    table : pandas.DataFrame
        One row a group of customers (``all``, ``one record``, ``several records``): ``customers``,
        ``wrong_class`` (customers of whom a record had another class than they have now), ``wrong_share`` with
        Wilson's ``low_share`` and ``high_share``, and ``several_classes`` (customers whose records stood in different
        classes at once).
    notes : tuple of str
        Records and customers that could not be compared.
    """

    cross: pd.DataFrame
    table: pd.DataFrame
    notes: tuple[str, ...]


def class_changes(
    before: pd.DataFrame,
    after: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    class_col: str = "rfm_class",
    customer_col: str = "customer_id",
    level: float = 0.95,
    id_col: str = "record_id",
    cluster_col: str = "cluster_id",
) -> ClassChanges:
    """How many customers stood in a wrong class before their records were linked.

    Classes that compare customers with each other, such as RFM by quantiles, can change for a customer with one record
    too, because the others have changed: the table keeps the two groups apart.

    Parameters
    ----------
    before : pandas.DataFrame
        One row a record with orders: `customer_col` holds the record, `class_col` its class.
    after : pandas.DataFrame
        One row a customer with orders: `customer_col` holds the cluster, `class_col` its class.
    clusters : pandas.DataFrame
        One row a record: record and cluster.
    class_col, customer_col, id_col, cluster_col : str
        Columns.
    level : float, default 0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    ClassChanges
        Cross table, counts with intervals, notes. Records without a class (no orders) do not take part.

    Raises
    ------
    ParameterError
        If columns are missing or a record or customer repeats.

    Examples
    --------
    >>> clusters = pd.DataFrame({"record_id": list("abc"), "cluster_id": ["a", "a", "c"]})
    >>> before = pd.DataFrame({"customer_id": list("abc"), "rfm_class": ["low", "low", "high"]})
    >>> after = pd.DataFrame({"customer_id": ["a", "c"], "rfm_class": ["high", "high"]})
    >>> changes = class_changes(before, after, clusters)
    >>> changes.table[["group", "customers", "wrong_class", "several_classes"]]
                 group  customers  wrong_class  several_classes
    0              all          2            1                0
    1       one record          1            0                0
    2  several records          1            1                0
    """
    problems = _cluster_problems(clusters, id_col, cluster_col)
    for frame, name in ((before, "before"), (after, "after")):
        absent = missing_columns(frame, (customer_col, class_col), name)
        problems += absent or customer_problems(frame, customer_col, name)
    problems += level_problems(level)
    raise_problems("class_changes", problems)
    customer = before[customer_col].map(clusters.set_index(id_col)[cluster_col])
    joined = pd.DataFrame(
        {
            "customer": customer,
            "before": before[class_col].astype(object),
            "after": customer.map(after.set_index(customer_col)[class_col].astype(object)),
        }
    )
    comparable = joined.notna().all(axis=1)
    notes = []
    if left_out := int((~comparable).sum()):
        notes.append(tr("{left_out:,} records have no cluster or no class before or after.").format(left_out=left_out))
    joined = joined[comparable]
    of_customer = joined.assign(wrong=joined["before"] != joined["after"]).groupby("customer")
    per_customer = pd.DataFrame(
        {
            "records": of_customer.size(),
            "wrong": of_customer["wrong"].any(),
            "several": of_customer["before"].nunique().gt(1),
        }
    )
    several = per_customer["records"] > 1
    rows = [
        (
            group,
            int(members.sum()),
            int(per_customer["wrong"][members].sum()),
            int(per_customer["several"][members].sum()),
        )
        for group, members in (
            ("all", pd.Series(True, index=per_customer.index)),
            ("one record", ~several),
            ("several records", several),
        )
    ]
    table = pd.DataFrame(rows, columns=["group", "customers", "wrong_class", "several_classes"])
    table.insert(3, "wrong_share", table["wrong_class"] / table["customers"].where(table["customers"] > 0))
    low, high = wilson(table["wrong_class"], table["customers"], level=level)
    table.insert(4, "low_share", low)
    table.insert(5, "high_share", high)
    cross = pd.crosstab(joined["before"], joined["after"])
    order = _class_order(before[class_col], after[class_col])
    cross = cross.reindex(index=order, columns=order, fill_value=0).rename_axis(index="before", columns="after")
    return ClassChanges(cross=cross, table=table, notes=tuple(notes))


def _class_order(before: pd.Series, after: pd.Series) -> list:
    """All classes in the order of the categories, where there are any, else sorted."""
    names: list = []
    for values in (after, before):
        ordered = (
            list(values.cat.categories)
            if isinstance(values.dtype, pd.CategoricalDtype)
            else sorted(values.dropna().unique())
        )
        names += [name for name in ordered if name not in names]
    return names


def _cluster_problems(clusters: pd.DataFrame, id_col: str, cluster_col: str) -> list[str]:
    problems = missing_columns(clusters, (id_col, cluster_col), "clusters")
    if problems:
        return problems
    problems = customer_problems(clusters, id_col, "clusters")
    if missing := int(clusters[cluster_col].isna().sum()):
        problems.append(f"clusters.{cluster_col} is missing in {missing:,} rows; a record alone is its own cluster")
    return problems


def _cluster_of(
    records: pd.DataFrame, clusters: pd.DataFrame, *, id_col: str, cluster_col: str, where: str
) -> pd.Series:
    """Cluster of each record, by position."""
    problems = missing_columns(records, (id_col,), "records")
    if not problems:
        problems += customer_problems(records, id_col, "records")
    problems += _cluster_problems(clusters, id_col, cluster_col)
    raise_problems(where, problems)
    cluster = records[id_col].map(clusters.set_index(id_col)[cluster_col]).reset_index(drop=True)
    if missing := int(cluster.isna().sum()):
        raise_problems(where, [f"{missing:,} of {len(records):,} records are in no cluster; link all of them"])
    return cluster


def _counted(way: str, records: pd.DataFrame, customer: pd.Series) -> list[tuple]:
    """Rows of one way of counting: all records, then each source; NaN where a record's customer is not known."""

    def count(some: pd.Series) -> float | int:
        return some.nunique() if some.notna().all() else np.nan

    rows = [(way, "", len(records), count(customer))]
    if "source" in records:
        by_source = customer.groupby(records["source"].to_numpy())
        rows += [(way, str(source), len(some), count(some)) for source, some in by_source]
    return rows


def _same_contact(records: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Number of the group of records that share a contact, by position."""
    ends, nodes = [], len(records)
    for column in columns:
        text = records[column].astype("str").str.strip().str.casefold()
        codes, values = pd.factorize(text.mask(text == "").to_numpy(object))
        known = np.flatnonzero(codes >= 0)
        ends.append((known, nodes + codes[known]))
        nodes += len(values)
    row, column = (np.concatenate(side) for side in zip(*ends, strict=True))
    return pd.Series(connected(nodes, row, column)[: len(records)])


def _consent(records: pd.DataFrame, consent_col: str, problems: list[str]) -> np.ndarray:
    """Consent of each record as ``"yes"``, ``"no"`` or ``""``."""
    if consent_col not in records:
        return np.full(len(records), "", dtype=object)
    words = {True: "yes", False: "no", "yes": "yes", "no": "no"}
    values = records[consent_col]
    consent = values.astype(object).map(words)
    unread = consent.isna() & values.notna()
    if unread.any():
        problems.append(
            f"records.{consent_col} holds {values[unread].iloc[0]!r}, among {int(unread.sum()):,} values that are "
            "neither true nor false nor blank"
        )
    return consent.fillna("").to_numpy(object)
