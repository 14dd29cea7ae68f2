"""Nodes put together: a real one out of the agent, the network's parts and containerd; simulated ones of the agent."""
