"""Conversion: routes through named steps, from a model's source to what an engine loads."""
