"""Whisper model files: the catalogue of known models, their download, and the folder that holds them."""
