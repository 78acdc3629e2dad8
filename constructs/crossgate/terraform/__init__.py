"""Terraform and the engine: the one place that knows the syntax and the classes."""
