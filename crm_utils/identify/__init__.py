"""Identify customers (客户识别): who they are, which records are theirs, and where they stand with the company."""

from crm_utils.identify.addresses import normalise_address
from crm_utils.identify.anonymity import k_anonymity, l_diversity, plot_quasi_identifiers, quasi_identifiers
from crm_utils.identify.blocking import BLOCKING_SETS, blocking_rules
from crm_utils.identify.clusters import consistent_clusters, impossible_clusters
from crm_utils.identify.contacts import normalise_email, normalise_phone
from crm_utils.identify.dates import normalise_date
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
from crm_utils.identify.names import normalise_names, split_full_name
from crm_utils.identify.normalise import normalise_records
from crm_utils.identify.pinyin import name_sound
from crm_utils.identify.pseudonyms import pseudonymous_key
from crm_utils.identify.quality import plot_quality, quality_profile, quality_table
from crm_utils.identify.quality_rules import (
    DIMENSIONS,
    Complete,
    Consistent,
    Fresh,
    Unique,
    Valid,
    default_quality_rules,
    in_order,
    names_in_place,
    same_form,
    usual_prefix,
)
from crm_utils.identify.retire import stale_records, stale_table
from crm_utils.identify.review import draw_review_sample, read_review, write_review
from crm_utils.identify.review_results import review_estimate
from crm_utils.identify.text import half_width, to_simplified
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
    "DIMENSIONS",
    "KINDS",
    "ROLES",
    "STAGES",
    "SURVIVORSHIP_RULES",
    "Complete",
    "Consistent",
    "Fresh",
    "LinkResult",
    "LinkSettings",
    "Unique",
    "Valid",
    "blocking_rules",
    "calibration_of_links",
    "cheapest_threshold",
    "class_changes",
    "consistent_clusters",
    "count_customers",
    "default_quality_rules",
    "default_rules",
    "draw_review_sample",
    "evaluate_links",
    "expected_curve",
    "funnel",
    "generalise",
    "golden_records",
    "half_width",
    "impossible_clusters",
    "in_order",
    "k_anonymity",
    "l_diversity",
    "letters_table",
    "lifecycle_stage",
    "lifecycle_table",
    "link_records",
    "mask_value",
    "merged_lines",
    "name_sound",
    "names_in_place",
    "normalise_address",
    "normalise_date",
    "normalise_email",
    "normalise_names",
    "normalise_phone",
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
    "same_form",
    "score_by_hand",
    "split_full_name",
    "stale_records",
    "stale_table",
    "threshold_curve",
    "to_simplified",
    "usual_prefix",
    "waterfall",
    "write_review",
]
