"""Runs that outlive their readers: started, logged, stopped and found again by their id."""
