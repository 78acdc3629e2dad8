"""Benchmarks, and the graphs they draw."""
