"""The engine without pytest: what is done for a model and for each of its cells."""
