"""Differentiate by value (客户区分): concentration, ABC, RFM, migration, profit, and how well they predict."""

from crm_utils.value.abc_classes import ABC_CLASSES, abc, abc_table, plot_abc
from crm_utils.value.concentration import concentration, gini, lorenz, lorenz_table, plot_lorenz, top_share
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

__all__ = [
    "ABC_CLASSES",
    "NO_PURCHASE",
    "RFM_CLASSES",
    "RfmClass",
    "abc",
    "abc_table",
    "concentration",
    "gini",
    "lorenz",
    "lorenz_table",
    "plot_abc",
    "plot_lorenz",
    "plot_rfm",
    "plot_rfm_grid",
    "rfm",
    "rfm_grid_table",
    "rfm_score_table",
    "rfm_table",
    "top_share",
]
