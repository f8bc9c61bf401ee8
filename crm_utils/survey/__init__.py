"""Answers to a questionnaire (问卷调查), made ready for every chapter that reads one."""

from crm_utils.survey.answers import (
    missing_answers_table,
    survey_answers,
    survey_design,
    suspected_reversals,
    usable_constructs,
)
from crm_utils.survey.samples import Sample, SampleMoments, mean_ratio, numeric_column, read_sample
from crm_utils.survey.terms import CONSTRUCT_TERMS, usual_construct, usual_constructs
from crm_utils.survey.waves import wave_order, wave_order_text

__all__ = [
    "CONSTRUCT_TERMS",
    "Sample",
    "SampleMoments",
    "mean_ratio",
    "missing_answers_table",
    "numeric_column",
    "read_sample",
    "survey_answers",
    "survey_design",
    "suspected_reversals",
    "usable_constructs",
    "usual_construct",
    "usual_constructs",
    "wave_order",
    "wave_order_text",
]
