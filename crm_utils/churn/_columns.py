"""Steps of a scikit-learn pipeline; apart, so that scikit-learn is loaded only where a model is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from crm_utils.churn._sources import mirrored_log1p

# From here on a distribution counts as skewed (Bulmer 1979, Principles of Statistics, chapter 4).
_SKEWED = 0.5


class LogOfSkewed(TransformerMixin, BaseEstimator):
    """Take the logarithm of 1 + x of columns that are never negative, reach beyond 1 and are skewed to the right.

    Durations, counts and amounts are of this kind: the step from 1 to 2 months matters more than that from 31 to 32,
    and without the logarithm a model tells too much of the few customers in the long tail, or beyond it.

    Examples
    --------
    >>> step = LogOfSkewed().fit(np.array([[0.0, 5], [0, 6], [1, 7], [9, 8]]))
    >>> step.logs_.tolist(), step.transform(np.array([[9.0, 5]])).round(2).tolist()
    ([True, False], [[2.3, 5.0]])
    """

    def fit(self, columns: pd.DataFrame | np.ndarray, y: np.ndarray | None = None) -> LogOfSkewed:
        """Find the columns that are skewed."""
        frame = pd.DataFrame(columns)
        self.logs_ = ((frame.min() >= 0) & (frame.max() > 1) & (frame.skew() > _SKEWED)).to_numpy()
        self.n_features_in_ = frame.shape[1]
        if isinstance(columns, pd.DataFrame):
            self.feature_names_in_ = frame.columns.to_numpy(dtype=object)
        return self

    def transform(self, columns: pd.DataFrame | np.ndarray) -> np.ndarray:
        """The columns, the skewed ones as logarithms; mirrored below zero, where training had nothing."""
        check_is_fitted(self)
        values = np.array(columns, dtype=float)
        values[:, self.logs_] = mirrored_log1p(values[:, self.logs_])
        return values

    def get_feature_names_out(self, input_features: np.ndarray | None = None) -> np.ndarray:
        """Names of the columns, as they came."""
        check_is_fitted(self)
        return np.asarray(self.feature_names_in_ if input_features is None else input_features, dtype=object)


class DistinctColumns(TransformerMixin, BaseEstimator):
    """Drop columns that do not vary, and those that are equal to an earlier one.

    Several features of one source are missing for the same customers; one flag for them can be read, five cannot.

    Examples
    --------
    >>> DistinctColumns().fit_transform(np.array([[1.0, 1, 5], [0, 0, 5]])).tolist()
    [[1.0], [0.0]]
    """

    def fit(self, columns: np.ndarray, y: np.ndarray | None = None) -> DistinctColumns:
        """Find the columns to keep."""
        seen, keep = set(), []
        for position in range(columns.shape[1]):
            column = np.ascontiguousarray(columns[:, position])
            mark = column.tobytes()
            if np.ptp(column) > 0 and mark not in seen:
                keep.append(position)
            seen.add(mark)
        self.kept_ = np.array(keep, dtype=int)
        self.n_features_in_ = columns.shape[1]
        return self

    def transform(self, columns: np.ndarray) -> np.ndarray:
        """The columns kept."""
        check_is_fitted(self)
        return columns[:, self.kept_]

    def get_feature_names_out(self, input_features: np.ndarray) -> np.ndarray:
        """Names of the columns kept."""
        check_is_fitted(self)
        return np.asarray(input_features, dtype=object)[self.kept_]
