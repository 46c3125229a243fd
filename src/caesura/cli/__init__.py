"""The `caesura` command: reads flags and CAESURA_... variables, and presents what the other packages do."""
