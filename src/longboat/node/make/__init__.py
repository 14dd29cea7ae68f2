"""From a pod's spec to what the runtime is told: pure functions. Never: a call to the API or the runtime."""
