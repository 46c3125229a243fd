"""Speech engines: transcribe segments of speech to words with times and confidence."""
