"""How often monitors cry wolf, and how soon they see one: Slipway, Evidently and NannyML side by side."""
