"""A classifier of road signs, in two frameworks."""
