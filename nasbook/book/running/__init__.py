"""A notebook run as a program: its parameters, its kernel, its progress, the files it leaves."""
