"""From the files of a checkout to documents that know where each value was written, and to what lies at named paths."""
