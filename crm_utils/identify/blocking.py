"""Which pairs of records are worth comparing: blocking rules, and how many pairs each of them makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from crm_utils.checks import raise_problems

BLOCKING_SETS = ("narrow", "standard", "wide")

Rule = tuple[str, ...]


def blocking_rules(fields: Mapping[str, str], prepared: pd.DataFrame, *, rules: str = "standard") -> tuple[Rule, ...]:
    """Choose blocking rules for declared fields.

    Parameters
    ----------
    fields : mapping of str to str
        Column and kind (`crm_utils.identify.KINDS`).
    prepared : pandas.DataFrame
        Records as `crm_utils.identify.normalise_records` returns them.
    rules : {"narrow", "standard", "wide"}, default "standard"
        Narrow: what nearly identifies a person alone (telephone, e-mail, identifier, name with date). Standard: also
        name with place, code, or year, and date with place or family name. Wide: also sound of the whole name, and
        given name or date with part of the address, for records with many slips.

    Returns
    -------
    tuple of tuple of str
        Each rule is the columns on which two records must agree to be compared. From the strictest to the loosest.

    Raises
    ------
    ParameterError
        If the name of the set is unknown.
    """
    if rules not in BLOCKING_SETS:
        raise_problems("rules", [f"there is no set {rules!r}; there are: {', '.join(BLOCKING_SETS)}"])
    of = {kind: [column for column, its in fields.items() if its == kind] for kind in set(fields.values())}
    dates, places, codes = of.get("date", []), of.get("place", []), of.get("code", [])
    streets = [f"{column}_street" for column in of.get("address", [])]
    named = {"given_name", "family_name", "full_name"} & set(of)
    alone = [(column,) for kind in ("identifier", "email", "phone") for column in of.get(kind, [])]
    narrow, standard, wide = list(alone), [], []
    if named:
        narrow += [("full_sound", date) for date in dates]
        standard += [("full_sound", column) for column in [*codes, *places, *streets]]
        standard += [("full_sound", f"{date}_year") for date in dates]
        standard += [("family_sound", date) for date in dates]
        standard += [("given_sound", street) for street in streets]
        wide += [("full_sound",), *(("given_sound", column) for column in [*dates, *codes, *places])]
    standard += [(date, column) for date in dates for column in [*codes, *places]]
    wide += [(street, column) for street in streets for column in [*dates, *codes, *places]]
    chosen = {"narrow": narrow, "standard": narrow + standard, "wide": narrow + standard + wide}[rules]
    filled = {column for column in prepared.columns if prepared[column].notna().any()}
    kept = tuple(rule for rule in chosen if set(rule) <= filled)
    return kept or tuple((column,) for column in fields if column in filled)


def blocking_keys(prepared: pd.DataFrame, rules: Iterable[Sequence[str]]) -> pd.DataFrame:
    """Number the blocks of each rule.

    Parameters
    ----------
    prepared : pandas.DataFrame
        Records as `crm_utils.identify.normalise_records` returns them.
    rules : iterable of sequence of str
        Columns on which two records must agree.

    Returns
    -------
    pandas.DataFrame
        One column a rule, in their order: number of the record's block, missing where a column of the rule is.
    """
    keys = {}
    for number, rule in enumerate(rules):
        codes = prepared.groupby(list(rule), sort=False, observed=True).ngroup()
        keys[f"block_{number}"] = codes.astype("Int64").mask(codes < 0)
    return pd.DataFrame(keys, index=prepared.index)


def limit_blocks(keys: pd.DataFrame, *, max_block: int, max_pairs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the pairs of each rule before any is made, and take out blocks too large to mean anything.

    Parameters
    ----------
    keys : pandas.DataFrame
        Result of `blocking_keys`.
    max_block : int
        Records in one block above which its value says nothing about a person (a shop's own telephone number, the
        first of January): such blocks make no pairs.
    max_pairs : int
        Pairs of all rules together. A rule that would go beyond it is left out, whole.

    Returns
    -------
    keys : pandas.DataFrame
        The keys that remain; a rule left out is all missing.
    counts : pandas.DataFrame
        One row a rule: blocks, largest_block (records), pairs (those it makes), blocks_set_aside, pairs_set_aside (of
        the blocks too large), used.
    """
    kept, rows, total = {}, [], 0
    for name, key in keys.items():
        sizes = key.value_counts().astype("int64")
        pairs = sizes * (sizes - 1) // 2
        large = sizes > max_block
        made = int(pairs[~large].sum())
        used = total + made <= max_pairs
        total += made if used else 0
        rows.append(
            {
                "blocks": int((sizes > 1).sum()),
                "largest_block": int(sizes.max()) if len(sizes) else 0,
                "pairs": made,
                "blocks_set_aside": int(large.sum()),
                "pairs_set_aside": int(pairs[large].sum()),
                "used": used,
            }
        )
        # A block of one makes no pair; without its key the join has less to carry.
        alone_or_large = key.isin(sizes.index[large | (sizes < 2)])
        kept[name] = key.mask(alone_or_large) if used else key.mask(np.ones(len(key), dtype=bool))
    columns = ["blocks", "largest_block", "pairs", "blocks_set_aside", "pairs_set_aside", "used"]
    counts = pd.DataFrame(rows, columns=columns).astype({"used": bool})
    return pd.DataFrame(kept, index=keys.index), counts
