# Other white space at the ends of lines is no other answer.
import sys

for line in sys.stdin:
    print(line.rstrip() + "\t")
print()
