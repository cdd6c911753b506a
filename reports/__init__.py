"""What a team reads: terminal and HTML, drawn from a judged history and nothing else."""
