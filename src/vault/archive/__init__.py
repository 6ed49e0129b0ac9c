"""The archive's side of a transfer, for an archive's own system: receive, open, find. It needs no service and no network."""
