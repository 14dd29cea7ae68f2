"""Jobs: pods that run to their end, each counted once; and Jobs by the clock, and those whose time is up."""
