"""The coordinator's pages: the cases that they run, who takes part, who stands for the client, and who has looked."""
