"""Identify customers (客户识别): who they are and where they stand in their life with the company."""

from crm_utils.identify.lifecycle import STAGES, lifecycle_stage, lifecycle_table, plot_lifecycle

__all__ = ["STAGES", "lifecycle_stage", "lifecycle_table", "plot_lifecycle"]
