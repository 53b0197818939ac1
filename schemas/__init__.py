"""All that a person may write: one Pydantic model per kind of manifest, and the project file."""
