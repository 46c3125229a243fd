"""Accounts: credentials, the ledger writer, records of requests and their log."""
