"""What one environment remembers between passes, and who may work on it: in a folder or in Azure Blob storage."""
