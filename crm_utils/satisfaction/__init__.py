"""How satisfied customers are, why, and what to improve first: indices, gaps and shares (客户满意度指数)."""
