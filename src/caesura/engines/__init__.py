"""Speech segments in, words with times and confidence out."""
