"""Cells of blocks that sum two operations (NASNet, PNAS, ENAS's micro space)."""
