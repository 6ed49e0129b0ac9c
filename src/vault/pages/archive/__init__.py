"""The archivist's pages: packages, states and receipts; no content."""
