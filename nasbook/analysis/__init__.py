"""Measures, intervals, landscapes and costs: what numbers say."""
