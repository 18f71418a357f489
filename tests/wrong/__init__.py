"""Layers and optimisers as a newcomer or a tired expert writes them, each with one slip, and without it."""
