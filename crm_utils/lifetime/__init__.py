"""Customer lifetime value (客户终身价值): how long customers stay, how often they buy, what that is worth today."""

from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.calibration import calibration_summary
from crm_utils.lifetime.contract import ShiftedBetaGeometric, ShiftedBetaGeometricResults
from crm_utils.lifetime.discounting import (
    PROFIT_CURVES,
    ProfitCurve,
    event_value,
    fit_profit_curve,
    migration_value,
    present_value,
    recency_chain,
    retention_value,
)
from crm_utils.lifetime.pareto_nbd import ParetoNBD
from crm_utils.lifetime.purchases import PurchaseResults
from crm_utils.lifetime.spend import GammaGamma, GammaGammaResults

__all__ = [
    "PROFIT_CURVES",
    "BetaGeoNBD",
    "GammaGamma",
    "GammaGammaResults",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "ProfitCurve",
    "PurchaseResults",
    "ShiftedBetaGeometric",
    "ShiftedBetaGeometricResults",
    "calibration_summary",
    "event_value",
    "fit_profit_curve",
    "migration_value",
    "present_value",
    "recency_chain",
    "retention_value",
]
