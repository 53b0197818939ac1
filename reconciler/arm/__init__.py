"""The only way to Azure: ARM JSON over azure-core's async pipeline, guarded on the wire."""
