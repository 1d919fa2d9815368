/* The same line, again and again: 16 MiB of them. */
#include <stdio.h>

int main(void) {
    for (int line = 0; line < 1 << 21; line++) puts("0123456");
    return 0;
}
