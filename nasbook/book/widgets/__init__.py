"""One file a chapter widget: ``prepare`` computes once what all frames share, ``render`` is a pure function from that
and the controls' values to a frame as SVG text, in a few milliseconds, and ``explore`` is the widget over both."""
