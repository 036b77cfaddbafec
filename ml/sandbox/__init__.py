"""Running what strangers handed in: in a child process, under limits, over a pipe."""
