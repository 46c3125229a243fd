"""Samples in, voice activity and the places where speech begins and ends out."""
