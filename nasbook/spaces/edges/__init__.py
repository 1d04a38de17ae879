"""Cells of four nodes with an operation on each of six edges (NAS-Bench-201)."""
