"""Searches against each other."""
