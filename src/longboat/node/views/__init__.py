"""What the agent reads of the API's objects. Never: a decision."""
