"""Recordings: POST /v1/listen from the request to the response or the callback."""
