"""Network drivers, one for each type of physical network."""
