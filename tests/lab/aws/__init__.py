"""Tests of the gateway in AWS. A package: what stands for all of it goes when the last has run."""
