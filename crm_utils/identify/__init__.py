"""Identify customers (客户识别): who they are, which records are theirs, and where they stand with the company."""

from crm_utils.identify.anonymity import k_anonymity, l_diversity, plot_quasi_identifiers, quasi_identifiers
from crm_utils.identify.blocking import BLOCKING_SETS, blocking_rules
from crm_utils.identify.clusters import consistent_clusters, impossible_clusters
from crm_utils.identify.duplicates import (
    class_changes,
    count_customers,
    letters_table,
    merged_lines,
    plot_customer_counts,
)
from crm_utils.identify.evaluation import evaluate_links
from crm_utils.identify.evidence import (
    plot_level_weights,
    plot_match_weights,
    plot_waterfall,
    score_by_hand,
    waterfall,
)
from crm_utils.identify.extracts import safe_extract
from crm_utils.identify.fields import KINDS, recognise_fields
from crm_utils.identify.funnel import funnel, plot_funnel
from crm_utils.identify.generalisation import generalise
from crm_utils.identify.golden import SURVIVORSHIP_RULES, default_rules, golden_records, record_walk
from crm_utils.identify.lifecycle import STAGES, lifecycle_stage, lifecycle_table, plot_lifecycle
from crm_utils.identify.linkage import LinkResult, LinkSettings, link_records
from crm_utils.identify.masking import ROLES, mask_value, role_view, roles_table
from crm_utils.identify.normalise import normalise_records
from crm_utils.identify.pseudonyms import pseudonymous_key
from crm_utils.identify.quality import plot_quality, quality_profile, quality_table
from crm_utils.identify.retire import stale_records, stale_table
from crm_utils.identify.review import draw_review_sample, read_review, write_review
from crm_utils.identify.review_results import review_estimate
from crm_utils.identify.thresholds import (
    calibration_of_links,
    cheapest_threshold,
    expected_curve,
    plot_calibration_of_links,
    plot_error_costs,
    plot_threshold_curve,
    threshold_curve,
)

__all__ = [
    "BLOCKING_SETS",
    "KINDS",
    "ROLES",
    "STAGES",
    "SURVIVORSHIP_RULES",
    "LinkResult",
    "LinkSettings",
    "blocking_rules",
    "calibration_of_links",
    "cheapest_threshold",
    "class_changes",
    "consistent_clusters",
    "count_customers",
    "default_rules",
    "draw_review_sample",
    "evaluate_links",
    "expected_curve",
    "funnel",
    "generalise",
    "golden_records",
    "impossible_clusters",
    "k_anonymity",
    "l_diversity",
    "letters_table",
    "lifecycle_stage",
    "lifecycle_table",
    "link_records",
    "mask_value",
    "merged_lines",
    "normalise_records",
    "plot_calibration_of_links",
    "plot_customer_counts",
    "plot_error_costs",
    "plot_funnel",
    "plot_level_weights",
    "plot_lifecycle",
    "plot_match_weights",
    "plot_quality",
    "plot_quasi_identifiers",
    "plot_threshold_curve",
    "plot_waterfall",
    "pseudonymous_key",
    "quality_profile",
    "quality_table",
    "quasi_identifiers",
    "read_review",
    "recognise_fields",
    "record_walk",
    "review_estimate",
    "role_view",
    "roles_table",
    "safe_extract",
    "score_by_hand",
    "stale_records",
    "stale_table",
    "threshold_curve",
    "waterfall",
    "write_review",
]
