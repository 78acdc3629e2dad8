"""What spreads the traffic: one folder for each balancer, siblings are strangers."""
