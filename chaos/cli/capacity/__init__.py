"""The command `gameday capacity`: the highest rate within the SLO, with n, n-1 and n-2 replicas."""
