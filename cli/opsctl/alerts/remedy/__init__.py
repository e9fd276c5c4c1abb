"""Remediations: kept (`store`), run in warm processes (`nursery`, `workers`, `child`), led to an end (`engine`)."""
