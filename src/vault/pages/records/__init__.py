"""The records officer's pages."""
