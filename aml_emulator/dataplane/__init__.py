"""The data plane of the embedded Azure ML: a deployment is a real scoring process."""
