"""The cluster's DNS, one server per node: what Services and pods are called, and the way to names outside.

Here belong the wire format, the zone as a function of the API's objects, the cache and the forwarder. What a pod's
resolv.conf says belongs to the node.
"""
