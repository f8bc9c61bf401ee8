"""Who leaves, how fast and why, and who is about to: churn rates, survival, early warning (客户流失)."""

from crm_utils.churn.calibration import (
    brier_decomposition,
    calibration_slope,
    calibration_table,
    plot_calibration,
)
from crm_utils.churn.concordance import Concordance, concordance_index
from crm_utils.churn.cox import CoxResults, cox_model
from crm_utils.churn.evaluation import (
    capture_at_capacity,
    feature_importance,
    gains_table,
    plot_gains,
    plot_importance,
    warning_accuracy,
)
from crm_utils.churn.expected_profit import (
    VERBRAKEN_2013,
    ExpectedMaximumProfit,
    expected_maximum_profit,
    expected_profit_table,
    plot_expected_profit,
)
from crm_utils.churn.explanations import (
    contributions,
    reasons,
)
from crm_utils.churn.features import (
    SnapshotFeatures,
    check_leakage,
    several_snapshots,
    snapshot_features,
)
from crm_utils.churn.index_worth import (
    IndexPointWorth,
    index_point_worth,
)
from crm_utils.churn.large import snapshot_features_of_files
from crm_utils.churn.panel import PanelHazard, member_panel, panel_hazard
from crm_utils.churn.profit import (
    MaximumProfit,
    campaign_profit,
    expected_gain,
    maximum_profit,
    plot_profit_curve,
    profit_curve,
    profit_curve_table,
    profit_of_calls,
)
from crm_utils.churn.rates import (
    absolute_relative_churn,
    churn_rates,
    churn_rates_table,
    plot_absolute_relative_churn,
    plot_churn_rates,
    plot_silent,
    silent_customers,
    silent_table,
)
from crm_utils.churn.spells import membership_spells
from crm_utils.churn.stability import (
    plot_stability,
    snapshot_stability,
    stability_index,
)
from crm_utils.churn.survival import (
    SurvivalCurves,
    cumulative_incidence,
    cumulative_incidence_table,
    kaplan_meier,
    log_rank_test,
    plot_cumulative_incidence,
    plot_kaplan_meier,
)
from crm_utils.churn.tables import (
    FeatureTable,
    Split,
    cross_section,
    random_split,
    time_split,
)
from crm_utils.churn.triangle import (
    plot_retention_triangle,
    repurchase_triangle,
    retention_triangle,
    retention_triangle_table,
)
from crm_utils.churn.warning import (
    EarlyWarning,
    ModelComparison,
    compare_models,
    early_warning,
    too_good_to_be_true,
)
from crm_utils.churn.warning_list import (
    DEFAULT_ACTIONS,
    warning_list,
    write_warning_list,
)

__all__ = [
    "DEFAULT_ACTIONS",
    "VERBRAKEN_2013",
    "Concordance",
    "CoxResults",
    "EarlyWarning",
    "ExpectedMaximumProfit",
    "FeatureTable",
    "IndexPointWorth",
    "MaximumProfit",
    "ModelComparison",
    "PanelHazard",
    "SnapshotFeatures",
    "Split",
    "SurvivalCurves",
    "absolute_relative_churn",
    "brier_decomposition",
    "calibration_slope",
    "calibration_table",
    "campaign_profit",
    "capture_at_capacity",
    "check_leakage",
    "churn_rates",
    "churn_rates_table",
    "compare_models",
    "concordance_index",
    "contributions",
    "cox_model",
    "cross_section",
    "cumulative_incidence",
    "cumulative_incidence_table",
    "early_warning",
    "expected_gain",
    "expected_maximum_profit",
    "expected_profit_table",
    "feature_importance",
    "gains_table",
    "index_point_worth",
    "kaplan_meier",
    "log_rank_test",
    "maximum_profit",
    "member_panel",
    "membership_spells",
    "panel_hazard",
    "plot_absolute_relative_churn",
    "plot_calibration",
    "plot_churn_rates",
    "plot_cumulative_incidence",
    "plot_expected_profit",
    "plot_gains",
    "plot_importance",
    "plot_kaplan_meier",
    "plot_profit_curve",
    "plot_retention_triangle",
    "plot_silent",
    "plot_stability",
    "profit_curve",
    "profit_curve_table",
    "profit_of_calls",
    "random_split",
    "reasons",
    "repurchase_triangle",
    "retention_triangle",
    "retention_triangle_table",
    "several_snapshots",
    "silent_customers",
    "silent_table",
    "snapshot_features",
    "snapshot_features_of_files",
    "snapshot_stability",
    "stability_index",
    "time_split",
    "too_good_to_be_true",
    "warning_accuracy",
    "warning_list",
    "write_warning_list",
]
