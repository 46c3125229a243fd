"""The client under other stacks: deepgram-sdk, pipecat, LiveKit Agents. Each module needs its own stack installed."""
