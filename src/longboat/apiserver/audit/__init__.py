"""The audit trail: who did what. What is recorded (`policy`), when (`filter`), in which words (`events`), and where it
is kept: in memory for half a second (`trail`), then in files (`rotation`). Bodies never belong here (lesson 16)."""
