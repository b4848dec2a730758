"""What stands between the network and the page: limits, files, the queue."""
