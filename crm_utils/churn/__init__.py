"""Who leaves, how fast and why, and who is about to: churn rates, survival, early warning (客户流失)."""

from crm_utils.churn.concordance import Concordance, concordance_index
from crm_utils.churn.cox import CoxResults, cox_model
from crm_utils.churn.expected_profit import (
    VERBRAKEN_2013,
    ExpectedMaximumProfit,
    expected_maximum_profit,
)
from crm_utils.churn.index_worth import (
    IndexPointWorth,
    index_point_worth,
)
from crm_utils.churn.panel import PanelHazard, member_panel, panel_hazard
from crm_utils.churn.profit import (
    MaximumProfit,
    campaign_profit,
    expected_gain,
    maximum_profit,
    plot_profit_curve,
    profit_curve,
    profit_curve_table,
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
from crm_utils.churn.survival import (
    SurvivalCurves,
    cumulative_incidence,
    cumulative_incidence_table,
    kaplan_meier,
    log_rank_test,
    plot_cumulative_incidence,
    plot_kaplan_meier,
)
from crm_utils.churn.triangle import (
    plot_retention_triangle,
    repurchase_triangle,
    retention_triangle,
    retention_triangle_table,
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
    "ExpectedMaximumProfit",
    "IndexPointWorth",
    "MaximumProfit",
    "PanelHazard",
    "SurvivalCurves",
    "absolute_relative_churn",
    "campaign_profit",
    "churn_rates",
    "churn_rates_table",
    "concordance_index",
    "cox_model",
    "cumulative_incidence",
    "cumulative_incidence_table",
    "expected_gain",
    "expected_maximum_profit",
    "index_point_worth",
    "kaplan_meier",
    "log_rank_test",
    "maximum_profit",
    "member_panel",
    "membership_spells",
    "panel_hazard",
    "plot_absolute_relative_churn",
    "plot_churn_rates",
    "plot_cumulative_incidence",
    "plot_kaplan_meier",
    "plot_profit_curve",
    "plot_retention_triangle",
    "plot_silent",
    "profit_curve",
    "profit_curve_table",
    "repurchase_triangle",
    "retention_triangle",
    "retention_triangle_table",
    "silent_customers",
    "silent_table",
    "warning_list",
    "write_warning_list",
]
