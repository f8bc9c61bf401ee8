"""Customer lifetime value (客户终身价值): how long customers stay, how often they buy."""

from crm_utils.lifetime.beta_geometric import BetaGeoNBD, ModifiedBetaGeoNBD
from crm_utils.lifetime.calibration import calibration_summary
from crm_utils.lifetime.pareto_nbd import ParetoNBD
from crm_utils.lifetime.purchases import PurchaseResults

__all__ = [
    "BetaGeoNBD",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "PurchaseResults",
    "calibration_summary",
]
