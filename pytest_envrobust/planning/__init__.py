"""Planning: which environments a model has, and how each of them is reached."""
