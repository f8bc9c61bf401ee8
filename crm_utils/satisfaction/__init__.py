"""How satisfied customers are, why, and what to improve first: indices, gaps and shares (客户满意度指数)."""

from crm_utils.satisfaction.changes import (
    index_changes,
    index_differences,
    index_differences_table,
    index_waves_table,
    plot_index_differences,
    plot_index_waves,
)
from crm_utils.satisfaction.disconfirmation import satisfaction_ratio
from crm_utils.satisfaction.fitting import fit_index_model
from crm_utils.satisfaction.importance import (
    importance_performance,
    importance_performance_table,
    plot_importance_performance,
)
from crm_utils.satisfaction.index import index_replicates, index_scores, indices_table, plot_indices, respondent_indices
from crm_utils.satisfaction.measurement import (
    construct_quality,
    item_quality,
    item_quality_table,
    measurement_text,
    plot_loadings,
    score_agreement_text,
)
from crm_utils.satisfaction.measures import compare_measures, measures_text
from crm_utils.satisfaction.model_comparison import (
    ModelComparison,
    compare_national_models,
    model_comparison_table,
    plot_model_comparison,
)
from crm_utils.satisfaction.national import (
    NATIONAL_MODELS,
    NationalModel,
    model_roles,
    national_model,
    national_models_table,
)
from crm_utils.satisfaction.peak_end import (
    PeakEndCheck,
    journey_columns,
    journey_moments,
    peak_end_check,
    peak_end_table,
    plot_peak_end,
)
from crm_utils.satisfaction.rollup import company_indices, plot_roll_up, roll_up, roll_up_changes, roll_up_table
from crm_utils.satisfaction.servqual import (
    plot_servqual,
    servqual_gaps,
    servqual_overall,
    servqual_table,
    servqual_text,
)
from crm_utils.satisfaction.servqual_answers import servqual_items, servqual_notes
from crm_utils.satisfaction.servqual_ranks import servqual_differences, servqual_ranking, servqual_ranking_text
from crm_utils.satisfaction.servqual_reliability import servqual_reliability
from crm_utils.satisfaction.shares import answers_needed, csat, mean_changes, net_promoter_score, nps_points
from crm_utils.satisfaction.short_form import reliability_of, short_form_agreement, short_form_index, short_form_scores

__all__ = [
    "NATIONAL_MODELS",
    "ModelComparison",
    "NationalModel",
    "PeakEndCheck",
    "answers_needed",
    "company_indices",
    "compare_measures",
    "compare_national_models",
    "construct_quality",
    "csat",
    "fit_index_model",
    "importance_performance",
    "importance_performance_table",
    "index_changes",
    "index_differences",
    "index_differences_table",
    "index_replicates",
    "index_scores",
    "index_waves_table",
    "indices_table",
    "item_quality",
    "item_quality_table",
    "journey_columns",
    "journey_moments",
    "mean_changes",
    "measurement_text",
    "measures_text",
    "model_comparison_table",
    "model_roles",
    "national_model",
    "national_models_table",
    "net_promoter_score",
    "nps_points",
    "peak_end_check",
    "peak_end_table",
    "plot_importance_performance",
    "plot_index_differences",
    "plot_index_waves",
    "plot_indices",
    "plot_loadings",
    "plot_model_comparison",
    "plot_peak_end",
    "plot_roll_up",
    "plot_servqual",
    "reliability_of",
    "respondent_indices",
    "roll_up",
    "roll_up_changes",
    "roll_up_table",
    "satisfaction_ratio",
    "score_agreement_text",
    "servqual_differences",
    "servqual_gaps",
    "servqual_items",
    "servqual_notes",
    "servqual_overall",
    "servqual_ranking",
    "servqual_ranking_text",
    "servqual_reliability",
    "servqual_table",
    "servqual_text",
    "short_form_agreement",
    "short_form_index",
    "short_form_scores",
]
