# A block of half a gigabyte, each page of it touched.
dd if=/dev/zero of=/dev/null bs=512M count=1 2> /dev/null
sleep 1
echo 6
