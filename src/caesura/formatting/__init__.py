"""Words as they were heard in, words as they are to be written out: numbers, dates, redaction, replacement, search."""
