"""Adapters that put the client under other stacks: deepgram-sdk, pipecat and LiveKit Agents, installed separately."""
