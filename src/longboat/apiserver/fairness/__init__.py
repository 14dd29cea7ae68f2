"""Priority and fairness (KEP-1040): which requests are at work at once, which wait, and behind whom.

`matching` says which FlowSchema catches a request, `shares` how the server's seats are divided between priority levels,
`queues` who of those that wait is next, `level` puts the three together for one PriorityLevelConfiguration, `work` says
how many seats a request takes, and `control` follows the objects.
"""
