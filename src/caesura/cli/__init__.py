"""The `caesura` command: flags and CAESURA_... variables in, the other layers' work shown out."""
