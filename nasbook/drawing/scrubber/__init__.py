"""The scrubber: one search, or two side by side, epoch by epoch."""
