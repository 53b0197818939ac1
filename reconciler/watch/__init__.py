"""The loop: follow a source, reconcile many environments side by side, tell how they are."""
