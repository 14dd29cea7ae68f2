"""StatefulSets: pods with names, places and volumes of their own, started, changed and stopped in order."""
