"""Customer lifetime value (客户终身价值): how long customers stay, how often they buy, what that is worth today."""

from crm_utils.accuracy import accuracy_table, plot_accuracy, prediction_accuracy, prediction_error
from crm_utils.lifetime.activity import purchases_by_period
from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.calibration import calibration_summary
from crm_utils.lifetime.classes import (
    CUSTOMER_MATRIX,
    LOYALTY_PORTFOLIO,
    VALUE_POTENTIAL_CLASSES,
    CustomerClass,
    class_table,
    customer_matrix,
    loyalty_portfolio,
    plot_classes,
    value_potential_classes,
)
from crm_utils.lifetime.comparison import PurchaseComparison, compare_purchase_models
from crm_utils.lifetime.contract import ShiftedBetaGeometric, ShiftedBetaGeometricResults
from crm_utils.lifetime.discounting import (
    event_value,
    migration_value,
    present_value,
    recency_chain,
    retention_value,
)
from crm_utils.lifetime.durations import contract_durations, leaving_rates
from crm_utils.lifetime.equity import CustomerEquity, customer_equity
from crm_utils.lifetime.goodness import (
    frequency_table,
    holdout_table,
    plot_frequency,
    plot_holdout,
    plot_tracking,
    tracking_table,
)
from crm_utils.lifetime.margin import MarginShares, margin_shares
from crm_utils.lifetime.pareto_nbd import ParetoNBD
from crm_utils.lifetime.periods import customer_periods, recency_purchase_rates, repurchase_rates, whole_periods
from crm_utils.lifetime.profit_curves import PROFIT_CURVES, ProfitCurve, fit_profit_curve, fit_profit_curves
from crm_utils.lifetime.purchases import PurchaseResults
from crm_utils.lifetime.simulation import simulate_histories, simulate_spend
from crm_utils.lifetime.spend import GammaGamma, GammaGammaResults
from crm_utils.lifetime.textbook import (
    migration_values,
    naive_values,
    profit_curve_values,
    retention_values,
    textbook_values,
)
from crm_utils.lifetime.values import LifetimeValues, customer_lifetime_value

__all__ = [
    "CUSTOMER_MATRIX",
    "LOYALTY_PORTFOLIO",
    "PROFIT_CURVES",
    "VALUE_POTENTIAL_CLASSES",
    "BetaGeoNBD",
    "CustomerClass",
    "CustomerEquity",
    "GammaGamma",
    "GammaGammaResults",
    "LifetimeValues",
    "MarginShares",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "ProfitCurve",
    "PurchaseComparison",
    "PurchaseResults",
    "ShiftedBetaGeometric",
    "ShiftedBetaGeometricResults",
    "accuracy_table",
    "calibration_summary",
    "class_table",
    "compare_purchase_models",
    "contract_durations",
    "customer_equity",
    "customer_lifetime_value",
    "customer_matrix",
    "customer_periods",
    "event_value",
    "fit_profit_curve",
    "fit_profit_curves",
    "frequency_table",
    "holdout_table",
    "leaving_rates",
    "loyalty_portfolio",
    "margin_shares",
    "migration_value",
    "migration_values",
    "naive_values",
    "plot_accuracy",
    "plot_classes",
    "plot_frequency",
    "plot_holdout",
    "plot_tracking",
    "prediction_accuracy",
    "prediction_error",
    "present_value",
    "profit_curve_values",
    "purchases_by_period",
    "recency_chain",
    "recency_purchase_rates",
    "repurchase_rates",
    "retention_value",
    "retention_values",
    "simulate_histories",
    "simulate_spend",
    "textbook_values",
    "tracking_table",
    "value_potential_classes",
    "whole_periods",
]
