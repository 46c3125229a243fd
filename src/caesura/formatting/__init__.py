"""Text formatting of transcribed words: inverse text normalization, dictation, redaction, replacement and search."""
