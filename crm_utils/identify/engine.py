"""What is asked of the linkage library splink: train a Fellegi–Sunter model, and score pairs with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

RECORD = "record"  # number of a record, in the order of the table
_KEYS = ("block_", "train_")

_EM_ITERATIONS = 100
# The m of a level that no match shows shrinks towards nought with every iteration, and where it would leave the range
# of floating-point numbers splink stops with an error; the next tolerance ends the iterations before.
_EM_TOLERANCES = (1e-4, 1e-3, 1e-2)
_EM_PAIRS = 2_000_000
# Of a comparison that brings no usual values of its own: a field of one person is written alike in six cases of seven,
# and in one of a hundred among different people.
_USUAL_M, _USUAL_U = 0.85, 0.01
_BLUNT = 100  # times the usual u: agreement that proves nothing
_RAREST_M = 1e-4  # what pairs of records of one person cannot show to be rarer, however many there are
_DIGITS = 12


class Engine:
    """A table of prepared records in the backend, and the model that scores its pairs.

    Parameters
    ----------
    prepared : pandas.DataFrame
        Columns to compare (text), columns ``block_…`` and ``train_…`` (numbers of blocks), and `RECORD`.
    comparisons : list of splink comparisons
        Result of `crm_utils.identify.comparisons.comparisons_for`, or one's own.
    backend : "duckdb" or pyspark.sql.SparkSession
        Where the work is done.
    """

    def __init__(self, prepared: pd.DataFrame, comparisons: Sequence[Any], *, backend: Any) -> None:
        from splink import SettingsCreator

        self._backend = backend
        self._api = _connect(backend)
        self._table = self._register(prepared)
        self._records = len(prepared)
        self.prior = 1 / (self._records - 1)
        self.training: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.model = SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name=RECORD,
            comparisons=list(comparisons),
            probability_two_random_records_match=self.prior,
            retain_matching_columns=True,
            retain_intermediate_calculation_columns=True,
            max_iterations=_EM_ITERATIONS,
        ).create_settings_dict(self._api.sql_dialect.sql_dialect_str)
        self._usual = {
            (name, level["label_for_charts"]): (level.pop("m_probability", None), level.pop("u_probability", None))
            for name, levels in self.comparisons()
            for level in levels
        }

    def _register(self, frame: pd.DataFrame) -> Any:
        if self._backend != "duckdb":
            values = frame.astype(object).where(frame.notna(), None)
            return self._api.register(self._backend.createDataFrame(values, schema=_spark_schema(frame)))
        import pyarrow as pa

        # A column without a value has no type of its own in pandas; as text it joins like the others.
        schema = pa.schema((name, pa.int64() if _is_number(name) else pa.string()) for name in frame.columns)
        return self._api.register(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))

    def _linker(self, rules: Sequence[Any] = (), **options: Any) -> Any:
        from splink import Linker

        settings = {**self.model, "blocking_rules_to_generate_predictions": list(rules), **options}
        # Its log speaks of levels that were not observed; `notes` does so in words of our own.
        return Linker(self._table, settings, log_level="ERROR", validate_settings=False)

    def comparisons(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Name and levels of each comparison, the level of unknown values left out."""
        return [
            (
                comparison["output_column_name"],
                [level for level in comparison["comparison_levels"] if not level.get("is_null_level")],
            )
            for comparison in self.model["comparisons"]
        ]

    def assume(self) -> None:
        """Take the usual m and u of every level, for tables too small to learn them from."""
        for name, levels in self.comparisons():
            for number, level in enumerate(levels):
                usual = self._usual.get((name, level["label_for_charts"]), (None, None))
                level["m_probability"] = usual[0] or _usual_m(number, len(levels))
                level["u_probability"] = usual[1] or _usual_u(number, len(levels))
                # In a table of a few records even a rare value is a large part.
                level.pop("tf_adjustment_column", None)

    def estimate_u(self, *, max_pairs: int, seed: int) -> None:
        """Estimate u from pairs of records drawn at random, which are almost all of different people.

        Pairs of one person among those drawn make the u of a rare agreement too large, by the prior at most; a weight
        then stays below what the field could prove.
        """
        linker = self._linker()
        linker.training.estimate_u_using_random_sampling(max_pairs=max_pairs, seed=seed)
        self.model = linker.misc.save_model_to_json()
        drawn = min(max_pairs, self._records * (self._records - 1) / 2)
        for name, levels in self.comparisons():
            for level in levels:
                # Half a pair stands for a level that no drawn pair showed: it is rare, not impossible.
                level.setdefault("u_probability", 0.5 / drawn)
            usual = self._usual.get((name, levels[0]["label_for_charts"]), (None, None))[1]
            found = levels[0]["u_probability"]
            if usual and found > _BLUNT * usual:
                self.notes.append(
                    f"Random pairs of records agree on {name} in {found:.0%} of cases: it hardly tells people apart."
                )

    def estimate_m(self, blocks: Mapping[str, Sequence[str]]) -> None:
        """Estimate m by EM within each kind of block; `blocks` gives the columns behind each column of keys."""
        for tolerance in _EM_TOLERANCES:
            linker = self._linker(em_convergence=tolerance)
            try:
                self.training = list(self._train(linker, blocks))
            except ValueError as error:
                if "m_probability" not in str(error):
                    raise
            else:
                self.model = linker.misc.save_model_to_json()
                break
        self.notes += [
            f"EM within blocks of {run['within']} did not converge in {_EM_ITERATIONS} iterations: the weights are not "
            "settled. Compare fewer fields, or link more records together."
            for run in self.training
            if not run["converged"]
        ]
        self._fill_m()

    def _train(self, linker: Any, blocks: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
        from splink import block_on
        from splink.internals.exceptions import EMTrainingException

        for key, columns in blocks.items():
            if all(set(columns) & _columns(levels) for _, levels in self.comparisons()):
                continue  # every comparison is used up by the block itself
            try:
                session = linker.training.estimate_parameters_using_expectation_maximisation(
                    block_on(key, *columns), estimate_without_term_frequencies=True, max_pairs=_EM_PAIRS
                )
            except EMTrainingException:
                continue
            iterations = len(session._core_model_settings_history) - 1  # shown by splink in its charts only
            learned = [comparison.output_column_name for comparison in session.core_model_settings.comparisons]
            yield {
                "within": " + ".join(columns),
                "learned": ", ".join(learned),
                "iterations": iterations,
                "converged": iterations < _EM_ITERATIONS,
            }

    def _fill_m(self) -> None:
        for name, levels in self.comparisons():
            if not any("m_probability" in level for level in levels):
                self.notes.append(
                    f"No block had pairs enough to learn how often {name} agrees within a person; usual values "
                    "are assumed."
                )
                for number, level in enumerate(levels):
                    usual = self._usual.get((name, level["label_for_charts"]), (None, None))
                    level["m_probability"] = usual[0] or _usual_m(number, len(levels))
            for level in levels:
                # A level never seen within a person says nothing either way: its weight is nought. Sums made in another
                # order differ in their last digits; those are cut, so that two runs agree.
                m, u = level.get("m_probability", level["u_probability"]), level["u_probability"]
                level["m_probability"] = max(round(m, _DIGITS), min(max(_RAREST_M, 0.5 / self._records), u))

    def propose(self, keys: Sequence[str]) -> tuple[Any, list[int]]:
        """Let the blocking keys propose pairs; return the linker that holds them, and the new pairs of each key."""
        from splink import block_on

        linker = self._linker([block_on(key) for key in keys])
        proposed = linker.inference.compute_blocked_pairs_for_predict()
        counted = linker.misc.query_sql(
            f"select match_key, count(*) as pairs from {proposed.physical_name} group by match_key",
            output_type="pandas",
        )
        new = dict(zip(counted["match_key"].astype(int), counted["pairs"].astype(int), strict=True))
        return linker, [new.get(number, 0) for number in range(len(keys))]

    def score(self, linker: Any, *, min_weight: float | None = None) -> pd.DataFrame:
        """Score the linker's candidate pairs, and drop those below `min_weight`.

        Columns: ``record_l`` < ``record_r``, ``match_key`` (number of the rule), ``match_weight`` with the prior, and
        for each comparison ``gamma_…`` (level, −1 for unknown), ``mw_…`` and, where frequencies count,
        ``mw_tf_adj_…`` (bits).
        """
        predictions = linker.inference.predict(threshold_match_weight=min_weight, warning_mode="never")
        wanted = ("mw_", "gamma_", "match_weight", "match_key", f"{RECORD}_l", f"{RECORD}_r")
        listed = ", ".join(
            column.quote().name for column in predictions.columns if column.unquote().name.startswith(wanted)
        )
        scored = linker.misc.query_sql(f"select {listed} from {predictions.physical_name}", output_type="pandas")
        predictions.drop_table_from_database_and_remove_from_cache()
        return scored.sort_values([f"{RECORD}_l", f"{RECORD}_r"], ignore_index=True)

    def score_these(self, left: np.ndarray, right: np.ndarray) -> pd.DataFrame:
        """Score given pairs, whether or not a rule proposes them; columns as of `score`."""
        linker = self._linker()
        listed = pd.DataFrame({"match_key": "-1", "join_key_l": left, "join_key_r": right})
        linker.table_management.register_blocked_pairs_for_predict(self._register(listed))
        return self.score(linker)


def _usual_m(number: int, levels: int) -> float:
    return _USUAL_M if number == 0 else (1 - _USUAL_M) / (levels - 1)


def _usual_u(number: int, levels: int) -> float:
    return _USUAL_U if number < levels - 1 else 1 - _USUAL_U * (levels - 1)


def _columns(levels: list[dict[str, Any]]) -> set[str]:
    """Columns that the conditions of the levels compare."""
    return {name for level in levels for name in re.findall(r'"([^"]+)_l"', level["sql_condition"])}


def _is_number(column: str) -> bool:
    return column.startswith((*_KEYS, "join_key_")) or column == RECORD


def _spark_schema(frame: pd.DataFrame) -> str:
    return ", ".join(f"`{name}` {'bigint' if _is_number(name) else 'string'}" for name in frame.columns)


def _connect(backend: Any) -> Any:
    if backend == "duckdb":
        from splink import DuckDBAPI

        return DuckDBAPI()
    from splink import SparkAPI

    # Long plans are cut by a checkpoint on disk where the cluster has a place for one, else tables are kept in memory.
    place = backend.sparkContext.getCheckpointDir()
    return SparkAPI(spark_session=backend, break_lineage_method="checkpoint" if place else "persist")
