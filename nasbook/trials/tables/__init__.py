"""Tables of truth: spaces in which every architecture was trained, so that a search can be judged in a second.

>>> import nasbook as nb
>>> table = nb.benchmarks.load("cellbench")
>>> table.accuracy(table.best("test").architecture, "test", 16)

Both tables ship with the book. ``cellbench`` is made by ``nasbook bench build``; ``nasbench201`` is that of Dong & Yang
(2020), in a compact form.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"catalogue": ["TABLES", "load", "verify"], "table": ["Table"]},
)
