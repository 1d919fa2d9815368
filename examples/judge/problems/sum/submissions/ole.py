# The same line, again and again: 16 MiB of them.
for line in range(1 << 21):
    print("0123456")
