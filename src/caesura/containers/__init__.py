"""Readers of container headers, shared by the client and the server's decoders: pure, standard library only."""
