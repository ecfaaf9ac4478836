"""Workers: isolated processes that import a framework, and the host's side of talking to them.

``host``, ``remote`` and ``pool`` start, bound and end them; ``entry`` and ``request_handler`` are what runs inside;
``session_builder`` brings a cell through its stages, to one of the ``sessions``.
"""
