"""The lab: the gateway on real machines, to be broken on purpose."""
