# Half a gigabyte, each page of it touched.
import time

pieces = []
for piece in range(512):
    pieces.append(bytearray(b"x" * (1 << 20)))
time.sleep(1)
print(6)
