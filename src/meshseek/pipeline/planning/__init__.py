"""What a library takes: pictures, vectors, disk, memory, hours and money, told before any of it is spent."""
