"""Rules about what is valid and unwise: one rule, one file, named after the rule."""
