"""Base manifests, overlays, defaults and variables to the manifests of one environment. Pure."""
