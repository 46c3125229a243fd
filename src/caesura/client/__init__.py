"""The client that never loses a word: audio in, words with three times each out, whatever the connection does."""
