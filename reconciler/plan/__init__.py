"""Desired and live to a guarded plan. Pure: nothing here waits, reads or writes; nothing is decided anywhere else."""
