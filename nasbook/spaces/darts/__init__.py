"""Cells of mixed operations on every edge, and the networks that stack them (DARTS and its kin)."""
