"""A step of a scikit-learn pipeline; apart, so that scikit-learn is loaded only where a model is fitted."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


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
