"""Transcription pipelines of live streams and recordings: audio, speech analysis, engine jobs and formatting."""
