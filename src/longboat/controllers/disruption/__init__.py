"""PodDisruptionBudget: how many pods may be missing now. Belongs: counting them; evictions themselves are the API's."""
