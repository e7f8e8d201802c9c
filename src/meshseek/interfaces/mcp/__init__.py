"""Meshseek for agents: four tools by the Model Context Protocol, over HTTP at ``/mcp`` and over stdio."""
