"""Storage in etcd: for clusters that outgrow one machine. Nothing here is imported before a cluster asks for it."""
