"""Who leaves, how fast and why, and who is about to: churn rates, survival, early warning (客户流失)."""

__all__: list[str] = []
