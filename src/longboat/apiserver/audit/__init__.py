"""The audit trail: who did what. What is recorded (`policy`; where a policy file says it: `policy_file`, `rules`), when
(`filter`), in which words (`events`, `objects`), and where it is kept (`sinks`): in memory for half a second (`trail`),
then in files (`rotation`), and at somebody else's (`webhook`). Bodies belong here only where a policy file says so."""
