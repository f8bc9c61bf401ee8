"""Who is loyal, of which kind, and what creates it: measures, kinds and migration of loyalty (客户忠诚)."""
