"""The embedded Azure ML: a private stand-in that real clients cannot tell from the service on the routes it has."""
