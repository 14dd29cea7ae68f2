"""The Pod Security Standards, and the plugin that holds pods to them (KEP-2579)."""
