"""Many processes and machines: what a cluster makes is what one process makes."""
