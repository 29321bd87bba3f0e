"""The one process that acts: it reads the log, judges, moves pointers and writes the ledger."""
