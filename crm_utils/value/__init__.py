"""Differentiate by value (客户区分): concentration, ABC, RFM, migration, profit, and how well they predict."""

from crm_utils.accuracy import accuracy_table, plot_accuracy, prediction_accuracy
from crm_utils.value.abc_classes import ABC_CLASSES, abc, abc_table, plot_abc
from crm_utils.value.concentration import (
    concentration,
    concentration_table,
    gini,
    lorenz,
    lorenz_table,
    plot_lorenz,
    share_of_total,
    top_share,
)
from crm_utils.value.heuristics import simple_scores
from crm_utils.value.migration import (
    migration_table,
    next_period_outcome,
    plot_migration,
    plot_next_period,
    segment_migration,
)
from crm_utils.value.rfm import (
    NO_PURCHASE,
    RFM_CLASSES,
    RfmClass,
    plot_rfm,
    plot_rfm_grid,
    rfm,
    rfm_grid_table,
    rfm_score_table,
    rfm_table,
)
from crm_utils.value.whale import customer_profit, plot_whale, whale_curve, whale_table

__all__ = [
    "ABC_CLASSES",
    "NO_PURCHASE",
    "RFM_CLASSES",
    "RfmClass",
    "abc",
    "abc_table",
    "accuracy_table",
    "concentration",
    "concentration_table",
    "customer_profit",
    "gini",
    "lorenz",
    "lorenz_table",
    "migration_table",
    "next_period_outcome",
    "plot_abc",
    "plot_accuracy",
    "plot_lorenz",
    "plot_migration",
    "plot_next_period",
    "plot_rfm",
    "plot_rfm_grid",
    "plot_whale",
    "prediction_accuracy",
    "rfm",
    "rfm_grid_table",
    "rfm_score_table",
    "rfm_table",
    "segment_migration",
    "share_of_total",
    "simple_scores",
    "top_share",
    "whale_curve",
    "whale_table",
]
