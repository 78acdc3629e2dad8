"""Tests that need OpenStack. A package: what stands for all of it goes when the last has run."""
