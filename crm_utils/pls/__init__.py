"""Path models of constructs that several items measure, estimated by partial least squares (偏最小二乘路径模型)."""

from crm_utils.pls.bootstrap import PathBootstrap
from crm_utils.pls.estimation import PathResults
from crm_utils.pls.model import Construct, PathModel

__all__ = ["Construct", "PathBootstrap", "PathModel", "PathResults"]
