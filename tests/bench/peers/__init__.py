"""The same core in other stream processors; each program prints how many events it has done."""
