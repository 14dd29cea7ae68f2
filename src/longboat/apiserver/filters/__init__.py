"""The links of the request chain that are neither authentication nor authorization."""
