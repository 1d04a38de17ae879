"""The shared loops: searching by turns and training a found network."""
