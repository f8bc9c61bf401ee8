"""Path models of constructs that several items measure, estimated by partial least squares (偏最小二乘路径模型)."""

from crm_utils.pls.bootstrap import PathBootstrap
from crm_utils.pls.comparison import GroupComparison
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.group_plots import group_differences_table, plot_group_differences
from crm_utils.pls.groups import compare_groups
from crm_utils.pls.mediation import Mediation, mediation, specific_indirect_effects
from crm_utils.pls.model import Construct, PathModel
from crm_utils.pls.moderation import Moderation, moderate
from crm_utils.pls.prediction import compare_predictions, predict_out_of_sample
from crm_utils.pls.prediction_plots import plot_prediction, prediction_table
from crm_utils.pls.prediction_results import PredictionResults
from crm_utils.pls.second_order import SecondOrder, SecondOrderModel, SecondOrderResults
from crm_utils.pls.simple_slopes import plot_simple_slopes, simple_slopes_table

__all__ = [
    "Construct",
    "GroupComparison",
    "Mediation",
    "Moderation",
    "PathBootstrap",
    "PathModel",
    "PathResults",
    "PredictionResults",
    "SecondOrder",
    "SecondOrderModel",
    "SecondOrderResults",
    "compare_groups",
    "compare_predictions",
    "group_differences_table",
    "mediation",
    "moderate",
    "plot_group_differences",
    "plot_prediction",
    "plot_simple_slopes",
    "predict_out_of_sample",
    "prediction_table",
    "simple_slopes_table",
    "specific_indirect_effects",
]
