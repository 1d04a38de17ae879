"""What every picture is made of: SVG, axes, looks, a shell for widgets, Graphviz, and the words that go with it."""
