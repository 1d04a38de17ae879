"""What only notebooks and the command line need: chapter widgets, exercises, running. Nothing below knows it."""
