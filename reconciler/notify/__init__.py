"""Telling others: marks on commits, comments on pull requests, messages to people."""
