"""The libraries of functions, one module each: a table of overloads (`TABLE`), and what computes them (`CALLS`)."""
