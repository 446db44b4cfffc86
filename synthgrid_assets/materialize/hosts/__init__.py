"""Making tiles on many hosts: blocks of tiles travel, files and receipts go to the shared store."""
