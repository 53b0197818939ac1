"""The Azure Resource Manager side: one module per kind, its routes and what Azure answers on them."""
