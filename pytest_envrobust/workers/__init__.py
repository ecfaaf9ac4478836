"""Workers: isolated processes that import a framework, and the host's side of talking to them.

``host`` and ``pool`` start, bound and end them; ``entry`` and ``bench`` are what runs inside; ``workshop`` brings a
cell through its stages, to one of the ``sessions``.
"""
