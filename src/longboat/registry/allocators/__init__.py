"""What services are given cluster-wide: addresses and node ports. Storage decides who was first, whoever else asks."""
