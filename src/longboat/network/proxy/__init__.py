"""Services as nftables rules: pure rules, a diff, one transaction."""
