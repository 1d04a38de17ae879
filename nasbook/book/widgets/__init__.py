"""One file a chapter widget: what is computed, a frame drawn from it, and the controls over both."""
