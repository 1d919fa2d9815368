/* Never ends, and ignores whoever asks it to. */
#include <signal.h>

int main(void) {
    signal(SIGTERM, SIG_IGN);
    for (volatile unsigned long turns = 0;; turns++) {}
}
