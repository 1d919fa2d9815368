# The same line, again and again: 16 MiB of them.
yes 0123456 | head -c 16777216
