"""Each contender of the contract benchmark, run in a process and an environment of its own."""
