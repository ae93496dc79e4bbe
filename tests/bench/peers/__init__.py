"""The same core in other stream processors, each a program that tells how many events it has done."""
