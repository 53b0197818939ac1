"""Bring live Azure Machine Learning to what Git says: load, compose, validate, read, plan, guard, apply, report."""
