/* Half a gigabyte, each page of it touched. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    for (int piece = 0; piece < 512; piece++) {
        char *memory = malloc(1 << 20);
        if (!memory) return 1;
        memset(memory, piece + 1, 1 << 20);
        usleep(200);
    }
    sleep(1);
    puts("6");
    return 0;
}
