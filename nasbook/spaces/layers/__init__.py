"""Chains of layers with skip connections (NAS with RL, ENAS's macro space)."""
